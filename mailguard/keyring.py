"""The key file: generations of one root secret, from which every other key is derived.

It lies outside the database, so that a stolen database opens nothing (SECURITY.md, promise 7). The file:

    [[generation]]
    id = "g1-7k2m"
    created = 2026-11-24T09:30:00Z
    secret = "…"            # 32 bytes, base64

The newest generation comes first; it makes new hashes and seals, older ones still verify and open.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
import stat
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum, unique
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_BYTES = 32
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # of ids and app passwords: nothing in it looks like another


class KeysError(Exception):
    """The key file is missing, damaged or unsafe. The text says what to do."""


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
    CHECK = "check"  # recognises the right key file


@dataclass(frozen=True, slots=True)
class Generation:
    """One root secret and its public id."""

    id: str
    created: datetime
    _secret: bytes = field(repr=False)

    def key(self, purpose: Purpose) -> bytes:
        """The 32-byte key of one purpose (HKDF-SHA256, RFC 5869)."""
        return _derive(self._secret, purpose)


@cache
def _derive(secret: bytes, purpose: Purpose) -> bytes:
    return HKDF(hashes.SHA256(), SECRET_BYTES, salt=None, info=b"mailguard " + purpose.encode()).derive(secret)


@dataclass(frozen=True, slots=True)
class Keyring:
    """All generations, newest first."""

    generations: tuple[Generation, ...]

    @property
    def newest(self) -> Generation:
        """The one that makes new hashes and seals."""
        return self.generations[0]

    def get(self, key_id: str) -> Generation:
        """The generation with this id; KeysError where the file no longer holds it."""
        for generation in self.generations:
            if generation.id == key_id:
                return generation
        known = ", ".join(g.id for g in self.generations)
        raise KeysError(f"the key file holds no generation {key_id!r} (it holds {known}): restore the file that had it")

    def digest(self, purpose: Purpose, message: bytes) -> bytes:
        """HMAC-SHA256 under the newest generation."""
        return hmac.digest(self.newest.key(purpose), message, "sha256")


def create(path: Path, now: datetime | None = None) -> Keyring:
    """Write a new key file with one generation, readable by its owner alone. FileExistsError rather than overwrite."""
    text, ring = _new_file(now or datetime.now(UTC))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return ring


def _new_file(now: datetime) -> tuple[str, Keyring]:
    secret = secrets.token_bytes(SECRET_BYTES)
    key_id = "g1-" + "".join(secrets.choice(ALPHABET) for _ in range(4))
    now = now.replace(microsecond=0)
    text = (
        "# The keys of mailguard. Whoever has this file and the database can open every authenticator seed.\n"
        "# Keep a copy in a safe place, apart from the backups of the database: without it they are worthless.\n\n"
        "[[generation]]\n"
        f'id = "{key_id}"\n'
        f"created = {now.isoformat().replace('+00:00', 'Z')}\n"
        f'secret = "{base64.b64encode(secret).decode()}"\n'
    )
    return text, Keyring((Generation(key_id, now, secret),))


def load(path: Path) -> Keyring:
    """Read the key file. KeysError where it is missing, open to others or damaged; it never shows a secret."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = tomllib.load(file)
    except FileNotFoundError:
        raise KeysError(f"{path}: no such key file; make one with `mailguard init`, or restore yours") from None
    except OSError as error:
        raise KeysError(f"{path}: cannot be read ({error.strerror}); run mailguard as the user that owns it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise KeysError(f"{path}: is not valid TOML; restore it from your copy") from None
    if mode & 0o077:
        raise KeysError(f"{path}: others may read it (mode {mode:04o}); do: chmod 0600 {path}")
    tables = content.get("generation")
    if not isinstance(tables, list) or not tables:
        raise KeysError(f"{path}: holds no [[generation]]; restore it from your copy")
    ring = Keyring(tuple(_generation(path, number, table) for number, table in enumerate(tables, 1)))
    if len({g.id for g in ring.generations}) != len(ring.generations):
        raise KeysError(f"{path}: two generations have the same id; restore it from your copy")
    return ring


def _generation(path: Path, number: int, table: object) -> Generation:
    where = f"{path}: generation {number}"
    if not isinstance(table, dict):
        raise KeysError(f"{where} is no table; restore it from your copy")
    key_id, created, secret = table.get("id"), table.get("created"), table.get("secret")
    if not isinstance(key_id, str) or not key_id:
        raise KeysError(f"{where} has no id; restore it from your copy")
    if not isinstance(created, datetime):
        raise KeysError(f"{where} has no date in `created`; restore it from your copy")
    try:
        raw = base64.b64decode(secret if isinstance(secret, str) else "", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != SECRET_BYTES:
        raise KeysError(f"{where} has no secret of {SECRET_BYTES} bytes in base64; restore it from your copy")
    return Generation(key_id, created, raw)
