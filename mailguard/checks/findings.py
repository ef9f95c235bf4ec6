"""What a check found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"  # accepted, and not acted on by this version
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of `mailguard check`. The remedy is empty where nothing needs doing."""

    level: Level
    what: str
    remedy: str = ""


def ok(what: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, what)


def warn(what: str, remedy: str) -> Finding:
    """Works, but should not stay so."""
    return Finding(Level.WARN, what, remedy)


def fail(what: str, remedy: str) -> Finding:
    """Does not work, or is not safe."""
    return Finding(Level.FAIL, what, remedy)
