"""One-time codes: recovery, enrolment and bypass codes, accepted once, only where a person signs in.

Fifteen characters, 75 bits: below the 112 from which a plain hash would do, so what is kept is argon2id (NIST SP
800-63B-4 3.1.2.2; ASVS 6.5.2). One salt a set, so that a sign-in costs one hash a set and not one a code. A hash takes
some 30 ms: outside of commands, make and look for codes in a thread.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from argon2.low_level import Type, hash_secret_raw

from mailguard.auth.accounts import CodeKind, OneTimeCode
from mailguard.keyring import ALPHABET
from mailguard.secret import Secret

LENGTH = 15
RECOVERY_CODES = 10  # a set
ENROLMENT_SECONDS = 24 * 3600.0
BYPASS_SECONDS_MOST = 3 * 24 * 3600.0  # a long week-end

_GROUP = 5
_SHAPE = re.compile(rb"[%b]{%d}" % (ALPHABET.encode(), LENGTH))
_SPACING = re.compile(rb"[ \-]+")
_LONGEST_SPELLING = 4 * LENGTH
_SALT_BYTES = 16
_SETS = len(CodeKind)  # a newer set of a kind ends the older ones


@dataclass(frozen=True, slots=True)
class CodeSet:
    """Codes of one salt, and what is kept of each."""

    salt: bytes
    codes: tuple[Secret, ...]
    hashes: tuple[bytes, ...]


def make(count: int, salt: bytes | None = None) -> CodeSet:
    """New codes from the system's generator; with a salt, further ones of that set."""
    salt = salt or secrets.token_bytes(_SALT_BYTES)
    codes = tuple(Secret("".join(secrets.choice(ALPHABET) for _ in range(LENGTH)).encode()) for _ in range(count))
    return CodeSet(salt, codes, tuple(_hash(code, salt) for code in codes))


def grouped(code: Secret) -> str:
    """As it is shown, once: `xxxxx-xxxxx-xxxxx`. The result is the secret itself."""
    text = code.reveal().decode()
    return "-".join(text[i : i + _GROUP] for i in range(0, len(text), _GROUP))


def normalise(typed: bytes) -> Secret | None:
    """The fifteen characters, if what was typed can be a one-time code: hyphens, spaces and case do not matter."""
    if len(typed) > _LONGEST_SPELLING:
        return None
    bare = _SPACING.sub(b"", typed).lower()
    return Secret(bare) if _SHAPE.fullmatch(bare) else None


def find(code: Secret, among: Sequence[OneTimeCode]) -> OneTimeCode | None:
    """The row of this code. It takes as long whatever an account has, and where there is no account."""
    salts = list(dict.fromkeys(each.salt for each in among))
    salts += [secrets.token_bytes(_SALT_BYTES) for _ in range(_SETS - len(salts))]
    hashes = {salt: _hash(code, salt) for salt in salts}
    found = [each for each in among if hmac.compare_digest(hashes[each.salt], each.hash)]
    return found[0] if found else None


def _hash(code: Secret, salt: bytes) -> bytes:
    return hash_secret_raw(
        code.reveal(), salt, time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, type=Type.ID
    )
