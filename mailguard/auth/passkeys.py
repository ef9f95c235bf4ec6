"""A passkey answers the challenge of a page (WebAuthn): what the decision knows of it. How an answer is verified, the
pages know alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mailguard.auth.accounts import Passkey
    from mailguard.secret import Secret


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What an authenticator has just made, for the challenge of a page."""

    credential: bytes
    public_key: bytes  # COSE
    sign_count: int
    challenge: bytes


@dataclass(frozen=True, slots=True)
class PasskeyUse:
    """A passkey that signed the challenge of a page, and the count of its uses that it told with it."""

    passkey: Passkey
    sign_count: int
    challenge: bytes

    @property
    def forward(self) -> bool:
        """Whether the count went on, or is not kept. One that stands still or goes back tells of a copy that was used
        in between (WebAuthn §6.1.1)."""
        return self.sign_count > self.passkey.sign_count or self.sign_count == self.passkey.sign_count == 0


class PasskeyAnswer(Protocol):
    """What a browser sent in answer to the challenge of a page. How it is verified, the pages know."""

    @property
    def challenge(self) -> bytes:
        """What the page asked to be signed. Its maker has seen to it that it is recent, and this person's."""

    @property
    def string(self) -> Secret:
        """What tells it from any other answer."""

    def find(self, passkeys: Sequence[Passkey]) -> PasskeyUse | None:
        """Which of these signed it; None where none did. Takes a moment, and never raises for what it was sent."""


@dataclass(frozen=True, slots=True)
class Answerable:
    """Who may answer a challenge, and whether anybody has."""

    passkeys: Sequence[Passkey]
    spent: bool
