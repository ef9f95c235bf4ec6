"""What a new passkey is made for: random, of one session, good for five minutes. The form carries it, we keep nothing.

Whoever sends a form in can read it there, so it needs no seal; that nobody makes one up is what its MAC is for. That it
is answered once, the records see to (store.passkeys).
"""

from __future__ import annotations

import base64
import hmac
import secrets
import struct
from typing import TYPE_CHECKING

from mailguard.keyring import Keyring, Purpose

if TYPE_CHECKING:
    from mailguard.keyring import Generation

SECONDS = 300.0
_RANDOM = 32
_UNTIL = struct.Struct("!d")
_SIGNED = _RANDOM + _UNTIL.size


def issue(keyring: Keyring, session: str, now: float) -> tuple[bytes, str]:
    """A challenge, and what the form holds of it."""
    challenge = secrets.token_bytes(_RANDOM)
    plain = challenge + _UNTIL.pack(now + SECONDS)
    return challenge, base64.urlsafe_b64encode(plain + _mac(keyring.newest, session, plain)).decode()


def read(keyring: Keyring, session: str, text: str, now: float) -> bytes | None:
    """The challenge again; None where it is not ours, another session's, or older than five minutes."""
    try:
        brought = base64.urlsafe_b64decode(text.encode())
    except ValueError:
        return None
    plain, mac = brought[:_SIGNED], brought[_SIGNED:]
    if not any(hmac.compare_digest(_mac(each, session, plain), mac) for each in keyring.generations):
        return None
    (until,) = _UNTIL.unpack(plain[_RANDOM:])
    return plain[:_RANDOM] if now < until else None


def _mac(generation: Generation, session: str, plain: bytes) -> bytes:
    return hmac.digest(generation.key(Purpose.PASSKEY), session.encode() + b"\0" + plain, "sha256")
