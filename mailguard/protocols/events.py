"""What a dialogue tells its driver. Bytes go in, these come out; a dialogue does no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from mailguard.auth.attempt import LoginAttempt


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes to send to the peer now."""

    data: bytes


@dataclass(frozen=True, slots=True)
class StartTls:
    """The peer was told to begin TLS: start it, nothing else may have been read. The dialogue is parked."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection after what was said. `abuse`: it broke the protocol (counted, logged)."""

    why: str
    abuse: bool = False


Event = Reply | StartTls | LoginAttempt | Close


class ProtocolViolation(Exception):
    """Inside dialogues only: bytes that no sound peer sends. Becomes a reply, counts, ends the connection at last."""
