"""Is this the key file of these records? A wrong one that went unnoticed would make every row look altered.

A row a generation that ever made something here: a keyed hash of its id. Where the file lacks such a generation, or has
another secret under its id, nothing is opened (SECURITY.md, promise 2).
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from mailguard.keyring import KeysError, Purpose
from mailguard.store.schema import key_checks

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.keyring import Generation, Keyring

_c = key_checks.c
_ALL = select(_c.key_id, _c.digest)
_REMEMBER = insert(key_checks).on_conflict_do_nothing()
_FORGET = delete(key_checks).where(_c.key_id == bindparam("gone"))


def verify(connection: Connection, keyring: Keyring) -> bool:
    """Compare the ring with what was remembered: True where its newest generation is known. KeysError: another file."""
    found = connection.execute(_ALL).all()
    for key_id, digest in found:
        if not hmac.compare_digest(_digest(keyring.get(key_id)), digest):
            raise KeysError(
                f"the key file has another secret for generation {key_id} than these records were made with: "
                "restore the file that belongs to them, or the records that belong to it"
            )
    return any(key_id == keyring.newest.id for key_id, _ in found)


def remember(connection: Connection, generation: Generation) -> None:
    """This generation makes something here from now on."""
    connection.execute(_REMEMBER, {"key_id": generation.id, "digest": _digest(generation)})


def forget(connection: Connection, key_id: str) -> None:
    """Nothing here hangs on this generation any more."""
    connection.execute(_FORGET, {"gone": key_id})


def _digest(generation: Generation) -> bytes:
    return hmac.digest(generation.key(Purpose.CHECK), generation.id.encode(), "sha256")
