"""Between the two pages of a sign-in: what was typed on the first, sealed, in the browser, for five minutes.

Nothing is decided on it and nothing is kept here: the one decision comes with the second page. So the first one says
the same of every name and every password.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailguard.keyring import Keyring, Purpose
from mailguard.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailguard.keyring import Generation

SECONDS = 300.0
MOST_OCTETS = 3900  # sealed: browsers drop a cookie of more than 4096 with its name, and keep the one before it
_NONCE_BYTES = 12
_CHALLENGE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Half:
    """The first page of a sign-in."""

    username: str
    password: Secret
    next: str  # where it leads to, a path of ours
    challenge: bytes  # for a passkey to sign
    until: float  # UTC seconds

    @classmethod
    def begun(cls, username: str, password: Secret, next_: str, now: float) -> Half:
        """The first page was sent off now."""
        return cls(username, password, next_, secrets.token_bytes(_CHALLENGE_BYTES), now + SECONDS)


def seal(keyring: Keyring, half: Half) -> str:
    """What the browser holds. Padded, so that it does not tell the length of a password."""
    content = {
        "username": half.username,
        "password": base64.b64encode(half.password.reveal()).decode(),
        "next": half.next,
        "challenge": half.challenge.hex(),
        "until": half.until,
    }
    plain = json.dumps(content).encode()
    plain += b" " * (-len(plain) % 512)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + AESGCM(keyring.newest.key(Purpose.SIGN_IN)).encrypt(nonce, plain, None)
    return base64.urlsafe_b64encode(sealed).decode()


def unseal(keyring: Keyring, text: str, now: float) -> Half | None:
    """The first page again; None where it is not ours, was altered, or is older than five minutes."""
    try:
        sealed = base64.urlsafe_b64decode(text.encode())
    except ValueError:
        return None
    for plain in _opened(keyring.generations, sealed):
        found = json.loads(plain)
        if now >= found["until"]:
            return None
        return Half(
            found["username"],
            Secret(base64.b64decode(found["password"])),
            found["next"],
            bytes.fromhex(found["challenge"]),
            found["until"],
        )
    return None


def _opened(generations: tuple[Generation, ...], sealed: bytes) -> Iterator[bytes]:
    for generation in generations:
        try:
            yield AESGCM(generation.key(Purpose.SIGN_IN)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except (InvalidTag, ValueError):  # ValueError: cut shorter than a nonce
            continue
