"""Our own records as the identity source: users' own passwords, hashed with argon2id (RFC 9106)."""

from __future__ import annotations

import asyncio
import base64
import unicodedata
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mailguard.auth.attempt import Answer, Reason, Verdict
from mailguard.auth.ports import StoreUnavailable
from mailguard.identity.choosing import ALONE

if TYPE_CHECKING:
    from mailguard.auth.accounts import AccountName
    from mailguard.secret import Secret
    from mailguard.store.passwords import Passwords

# 20 ms and 19 MiB a guess. Strangers choose how often the guard pays that, so it is no more.
_MEMORY_KIB, _PASSES, _LANES = 19 * 1024, 2, 1
AT_ONCE = 4  # hashes in each process: 76 MiB
PATIENCE = 10.0  # seconds that a question waits for its turn

_HASHER = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=_LANES)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


# What the password of a name without one is compared with, for the time that takes. Nobody knows what hashes to zeros.
DECOY = f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}${_base64(bytes(16))}${_base64(bytes(32))}"


def hashed(password: Secret) -> str:
    """The hash to keep (PHC string format). Takes a while: call it in a thread."""
    return _HASHER.hash(_composed(password))


def is_hash_of(kept: str, password: Secret) -> bool:
    """Is this the password, as a whole? Takes a while: call it in a thread."""
    try:
        return _HASHER.verify(kept, _composed(password))
    except (VerificationError, InvalidHashError):
        return False


def _composed(password: Secret) -> bytes:
    """An ü is one character or two, as the keyboard likes it: one form of it is hashed (Unicode NFC)."""
    raw = password.reveal()
    try:
        return unicodedata.normalize("NFC", raw.decode()).encode()
    except UnicodeDecodeError:
        return raw


class LocalIdentity:
    """Asks our own records. The hash is computed in a thread, a few at a time, and for unknown names alike."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords
        self._places = asyncio.Semaphore(AT_ONCE)

    async def ask(self, name: AccountName, password: Secret) -> Answer:
        """Is this the user's password?"""
        try:
            kept = await self._passwords.find(name)
            async with asyncio.timeout(PATIENCE):
                await self._places.acquire()
        except StoreUnavailable as trouble:
            return Answer(Verdict.UNAVAILABLE, Reason.RECORDS_UNAVAILABLE, str(trouble))
        except TimeoutError:
            return Answer(
                Verdict.UNAVAILABLE, Reason.IDENTITY_UNAVAILABLE, "too many passwords are being checked at once"
            )
        try:
            fits = await asyncio.to_thread(is_hash_of, DECOY if kept is None else kept.hash, password)
        finally:
            self._places.release()
        if kept is None or not fits:
            return Answer(Verdict.NO)
        return Answer(Verdict.YES, short=len(_composed(password).decode(errors="replace")) < ALONE)
