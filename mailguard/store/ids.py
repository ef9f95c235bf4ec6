"""Public ids of records: short enough to type, from the system generator."""

import hashlib
import secrets

from mailguard.keyring import ALPHABET

ID_LENGTH = 12


def new_id() -> str:
    """60 random bits. An id is no secret and opens nothing."""
    return "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))


def id_of(once: bytes) -> str:
    """The id that goes with a secret of somebody's: asked again with the same one, it is the same."""
    return "".join(ALPHABET[octet % len(ALPHABET)] for octet in hashlib.sha256(once).digest()[:ID_LENGTH])
