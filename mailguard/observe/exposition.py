"""Numbers → the text that Prometheus reads (its exposition format 0.0.4)."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from mailguard.observe.families import BUCKETS, FAMILIES, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mailguard.observe.board import Board
    from mailguard.observe.families import Family, Labels

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def text(board: Board, given: Mapping[str, Mapping[Labels, float]]) -> str:
    """All families. Each series is there from the start, so that a first increase is seen as one. `given`: what is made
    where it is read, by family and labels."""
    return "".join(line + "\n" for family in FAMILIES for line in _family(family, board, given))


def _family(family: Family, board: Board, given: Mapping[str, Mapping[Labels, float]]) -> Iterator[str]:
    kind = Kind.GAUGE if family.kind is Kind.GIVEN else family.kind
    yield f"# HELP {family.name} {family.tells}"
    yield f"# TYPE {family.name} {kind.value}"
    if family.kind is Kind.GIVEN:
        for labels, value in given.get(family.name, {}).items():
            yield _sample(family.name, family.labels, labels, value)
        return
    for labels in family.series:
        numbers = board.total(family, labels)
        if family.kind is Kind.HISTOGRAM:
            yield from _histogram(family, labels, numbers)
        else:
            yield from (_sample(family.name, family.labels, labels, value) for value in numbers)


def _histogram(family: Family, labels: Labels, numbers: Sequence[float]) -> Iterator[str]:
    *counts, total = numbers
    ends = (*(_number(end) for end in BUCKETS), "+Inf")
    for end, reached in zip(ends, accumulate(counts), strict=True):
        yield _sample(f"{family.name}_bucket", (*family.labels, "le"), (*labels, end), reached)
    yield _sample(f"{family.name}_sum", family.labels, labels, total)
    yield _sample(f"{family.name}_count", family.labels, labels, sum(counts))


def _sample(name: str, labels: Labels, values: Labels, value: float) -> str:
    told = ",".join(f'{label}="{_escaped(text)}"' for label, text in zip(labels, values, strict=True))
    return f"{name}{{{told}}} {_number(value)}" if told else f"{name} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
