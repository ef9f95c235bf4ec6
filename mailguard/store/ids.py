"""Public ids of records: short enough to type, from the system generator."""

import secrets

from mailguard.keyring import ALPHABET

ID_LENGTH = 12


def new_id() -> str:
    """60 random bits. An id is no secret and opens nothing."""
    return "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))
