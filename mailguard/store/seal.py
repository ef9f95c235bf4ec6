"""Seeds sealed and credential rows under a MAC, with keys that lie outside the database (SECURITY.md, promise 7).

A seal is AES-256-GCM, bound to its table, row and account: a seed copied to another row does not open. A MAC is
HMAC-SHA-256 over every column that decides what a row may do: a widened, moved or revived row does not fit.
"""

import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailguard.auth.accounts import KeyedHash
from mailguard.auth.ports import StoreUnavailable
from mailguard.keyring import Generation, Keyring, KeysError, Purpose
from mailguard.secret import Secret

NONCE_BYTES = 12

Field = str | float | bool | bytes | None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret that only the key file opens: nonce and ciphertext, and the generation that made it."""

    key_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Seal:
    """The keys, as the records use them. StoreUnavailable where the key file lacks a generation that a row names."""

    keyring: Keyring

    def seal(self, place: Sequence[Field], secret: Secret) -> Sealed:
        """Seal under the newest generation, for this place alone."""
        generation = self.keyring.newest
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = AESGCM(generation.key(Purpose.SEAL)).encrypt(nonce, secret.reveal(), message(place))
        return Sealed(generation.id, nonce + sealed)

    def open(self, place: Sequence[Field], sealed: Sealed) -> Secret | None:
        """The secret; None where it was altered or made for another place."""
        key = self._generation(sealed.key_id).key(Purpose.SEAL)
        nonce, content = sealed.content[:NONCE_BYTES], sealed.content[NONCE_BYTES:]
        try:
            return Secret(AESGCM(key).decrypt(nonce, content, message(place)))
        except (InvalidTag, ValueError):  # ValueError: cut shorter than a nonce
            return None

    def mac(self, fields: Sequence[Field]) -> KeyedHash:
        """The MAC of a row's columns, its table's name first, under the newest generation."""
        return KeyedHash(self.keyring.newest.id, self.keyring.digest(Purpose.ROW, message(fields)))

    def fits(self, fields: Sequence[Field], mac: KeyedHash) -> bool:
        """Is this the row that the MAC was made over?"""
        key = self._generation(mac.key_id).key(Purpose.ROW)
        return hmac.compare_digest(hmac.digest(key, message(fields), "sha256"), mac.digest)

    def _generation(self, key_id: str) -> Generation:
        try:
            return self.keyring.get(key_id)
        except KeysError as missing:
            raise StoreUnavailable(str(missing)) from None


def message(fields: Sequence[Field]) -> bytes:
    """One byte string for one sequence of values, and never the same for another sequence."""
    return json.dumps([field.hex() if isinstance(field, bytes) else field for field in fields]).encode()
