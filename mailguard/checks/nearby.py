"""Where this machine itself reaches what it listens at."""

from __future__ import annotations

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (where it listens, not where we do)


def nearby(listening: str) -> tuple[str, int]:
    """Host and port to connect to, of an IP address and port that something listens at."""
    host, _, port = listening.rpartition(":")
    bare = host.strip("[]")
    return _ANYWHERE.get(bare, bare), int(port)
