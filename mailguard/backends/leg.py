"""A leg: one connection to the mail store, logged in, ready to be relayed."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Leg(Protocol):
    """What a login to the store gives. Whoever holds it detaches or aborts it."""

    @property
    def reply(self) -> bytes:
        """IMAP: the store's tagged line without its tag and line end, `OK [CAPABILITY …] text`.
        Submission: every line of the 235, each with its line end."""

    @property
    def untagged(self) -> tuple[bytes, ...]:
        """IMAP: alerts and capability lists that came during the login, each with its line end."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What the store lists after login (IMAP) or in its last EHLO (submission), in upper case."""

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """The transport, reading paused, and the bytes that came behind the reply. The leg is dead afterwards."""

    def abort(self) -> None:
        """Cut the connection now."""
