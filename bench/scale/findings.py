"""What a run found: a figure, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.report import number


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure. `most` is what it should not exceed; None where nothing is asked of it."""

    words: str
    value: float
    unit: str
    most: float | None = None

    @property
    def met(self) -> bool:
        """Is it as asked?"""
        return self.most is None or self.value <= self.most

    def row(self) -> str:
        """For a table in Markdown."""
        asked = "" if self.most is None else f"≤ {self.most:g}: {'met' if self.met else 'missed'}"
        return f"| {self.words} | {number(self.value)} {self.unit} | {asked} |"


def table(findings: Iterable[Finding]) -> str:
    """All of them."""
    return "\n".join(["| | figure | asked |", "| --- | ---: | --- |", *(each.row() for each in findings)])


def as_json(findings: Iterable[Finding]) -> list[dict[str, object]]:
    """All of them, with what is asked."""
    return [
        {"what": each.words, "value": each.value, "unit": each.unit, "most": each.most, "met": each.met}
        for each in findings
    ]
