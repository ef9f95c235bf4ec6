"""What an explanation is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """One paragraph, and the commands that do what it advises."""

    text: str
    commands: tuple[str, ...] = ()
