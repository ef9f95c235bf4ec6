"""Whether a store is known to be down, so that clients are turned away at the greeting."""

from __future__ import annotations

from mailguard.backends.failure import FailureKind

_DOWN = frozenset({FailureKind.UNREACHABLE, FailureKind.TLS})


class Health:
    """What the last legs to one store say. Times are seconds of any one clock, handed in.

    A store is down for `patience` seconds after its last failure to greet us, or until a leg works again: then one
    more login is let through to find out, so that the mark lifts even where nothing else probes.
    """

    def __init__(self, patience: float = 10.0) -> None:
        self._patience = patience
        self._failed_at: float | None = None

    def failed(self, kind: FailureKind, now: float) -> None:
        """A leg failed. Trouble of one login says nothing about the next."""
        if kind in _DOWN:
            self._failed_at = now

    def worked(self) -> None:
        """A leg or a probe got past the greeting."""
        self._failed_at = None

    def down(self, now: float) -> bool:
        """Turn clients away at the greeting?"""
        return self._failed_at is not None and now - self._failed_at < self._patience
