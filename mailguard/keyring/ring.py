"""Generations of the root secret, and the keys that are derived from them."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_BYTES = 32
SETTLED_SECONDS = 10.0  # a worker follows a rotation within its poll of a quarter of a second
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # of ids and app passwords: nothing in it looks like another


class KeysError(Exception):
    """The key file is missing, damaged, unsafe or not the one of these records. The text says what to do."""


@unique
class Purpose(StrEnum):
    """What a derived key is for. One key a purpose, so that a leak of one says nothing about another."""

    APP_PASSWORD = "app-password"
    STRING = "string"  # exact password+code strings of grants
    MARK = "mark"  # wrong secrets
    BUCKET = "bucket"  # names and networks of the throttle
    ROW = "row"  # MAC over credential rows
    SEAL = "seal"  # AEAD over seeds
    CLAIM = "claim"  # claim links
    SIGN_IN = "sign-in"  # AEAD over what a browser holds between the two pages of a sign-in
    PASSKEY = "passkey"  # MAC over what a new passkey is made for
    API_KEY = "api-key"
    CHECK = "check"  # recognises the right key file


@dataclass(frozen=True, slots=True)
class Generation:
    """One root secret and its public id."""

    id: str
    created: datetime
    secret: bytes = field(repr=False)

    def key(self, purpose: Purpose) -> bytes:
        """The 32-byte key of one purpose (HKDF-SHA256, RFC 5869)."""
        return _derive(self.secret, purpose)

    def settled(self, now: float) -> bool:
        """Has every process taken it over by now (UTC seconds), and finished what it was writing under an older one?"""
        return now >= self.created.timestamp() + SETTLED_SECONDS


@cache
def _derive(secret: bytes, purpose: Purpose) -> bytes:
    return HKDF(hashes.SHA256(), SECRET_BYTES, salt=None, info=b"mailguard " + purpose.encode()).derive(secret)


@dataclass(slots=True)
class Keyring:
    """All generations, newest first: the newest makes new hashes and seals, older ones still verify and open.

    Not frozen, alone among the values: everything in a process shares one ring, so that a rotation, which another
    process makes, reaches all of it at once. `source` reads its file again.
    """

    generations: tuple[Generation, ...]
    source: Callable[[], tuple[Generation, ...]] | None = field(default=None, repr=False, compare=False)

    @property
    def newest(self) -> Generation:
        """The one that makes new hashes and seals."""
        return self.generations[0]

    def get(self, key_id: str) -> Generation:
        """The generation with this id, looked for in the file once more where it is unknown; KeysError where the file
        does not hold it."""
        if (known := self._known(key_id)) is not None:
            return known
        self.reread()
        if (known := self._known(key_id)) is not None:
            return known
        ids = ", ".join(g.id for g in self.generations)
        raise KeysError(f"the key file holds no generation {key_id!r} (it holds {ids}): restore the file that had it")

    def _known(self, key_id: str) -> Generation | None:
        return next((generation for generation in self.generations if generation.id == key_id), None)

    def reread(self) -> None:
        """Take over what the file holds now. KeysError where it cannot be read: the ring stays as it was."""
        if self.source is not None:
            self.generations = self.source()

    def digest(self, purpose: Purpose, message: bytes) -> bytes:
        """HMAC-SHA256 under the newest generation."""
        return hmac.digest(self.newest.key(purpose), message, "sha256")
