"""What a check found, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from mailguard.backends.failure import FailureKind


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


REMEDIES: Mapping[FailureKind, str] = {
    FailureKind.UNREACHABLE: "see that the store runs there and lets mailguard's address in; mend host and port",
    FailureKind.TLS: "give the store a certificate with this name from an authority that is trusted, or name its "
    "authority in ca",
    FailureKind.PROTOCOL: "see that host, port and tls lead to a store of this protocol",
    FailureKind.REFUSED: "see the store's log",
    FailureKind.TEMPORARY: "see the store's log",
    FailureKind.UNSAFE: "take from the store what it must not offer mailguard",
}
"""What to do about a store that cannot be used."""
