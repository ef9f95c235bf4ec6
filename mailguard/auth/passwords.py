"""App passwords: making them, recognising them, and the hash that finds their row.

28 characters of an alphabet without look-alikes, 140 bits: enough that a plain keyed hash holds (NIST SP 800-63B-4
3.1.2.2, from 112 bits), so that a login costs microseconds and its row is found by one look-up.
"""

import hmac
import re
import secrets

from mailguard.auth.accounts import KeyedHash
from mailguard.keyring import ALPHABET, Keyring, Purpose
from mailguard.secret import Secret

LENGTH = 28
_GROUP = 4
_SHAPE = re.compile(rb"[%b]{%d}" % (ALPHABET.encode(), LENGTH))
_SPACING = re.compile(rb"[ \-]+")
_LONGEST_SPELLING = 4 * LENGTH


def generate_app_password() -> Secret:
    """A new one, normalised: no hyphens, lower case."""
    return Secret("".join(secrets.choice(ALPHABET) for _ in range(LENGTH)).encode())


def grouped(app_password: Secret) -> str:
    """As it is shown, once: `k7mq-2xwd-…`. The result is the secret itself."""
    text = app_password.reveal().decode()
    return "-".join(text[i : i + _GROUP] for i in range(0, len(text), _GROUP))


def normalise_app_password(typed: bytes) -> bytes | None:
    """The 28 characters, if what was typed can be an app password at all: hyphens, spaces and case do not matter."""
    if len(typed) > _LONGEST_SPELLING:
        return None
    bare = _SPACING.sub(b"", typed).lower()
    return bare if _SHAPE.fullmatch(bare) else None


def digest_claim(keyring: Keyring, token: Secret) -> KeyedHash:
    """The hash of a claim link's token, which has the shape of an app password and none of its powers."""
    return KeyedHash(keyring.newest.id, keyring.digest(Purpose.CLAIM, token.reveal()))


def digest_app_password(keyring: Keyring, normalised: bytes) -> KeyedHash:
    """The hash to store, under the newest key."""
    return KeyedHash(keyring.newest.id, keyring.digest(Purpose.APP_PASSWORD, normalised))


def digests(keyring: Keyring, purpose: Purpose, message: bytes) -> tuple[KeyedHash, ...]:
    """The hashes to look for: one a generation, newest first, since a row carries its key's id."""
    return tuple(
        KeyedHash(generation.id, hmac.digest(generation.key(purpose), message, "sha256"))
        for generation in keyring.generations
    )


def shorter(asked: float | None, most: float | None) -> float | None:
    """The shorter of two lengths or ends; None is without end."""
    if asked is None or most is None:
        return most if asked is None else asked
    return min(asked, most)
