"""What can go wrong on the way to the mail store."""

from __future__ import annotations

from enum import Enum, unique


@unique
class FailureKind(Enum):
    """What a failed leg means for the login that needed it."""

    UNREACHABLE = "unreachable"  # no connection, or no sound greeting on it
    TLS = "tls"  # no TLS, or not with a store we can trust
    PROTOCOL = "protocol"  # the store said what no sound store says
    REFUSED = "refused"  # the store said no to the credential itself
    TEMPORARY = "temporary"  # the store has trouble of its own; the same credential may work later
    UNSAFE = "unsafe"  # the store would let a user log in afresh behind us


class BackendFailure(Exception):
    """No usable leg. `text` is for operators: escaped, short, without any part of the credential."""

    def __init__(self, kind: FailureKind, text: str) -> None:
        super().__init__(kind, text)
        self.kind = kind
        self.text = text

    def __str__(self) -> str:
        return self.text
