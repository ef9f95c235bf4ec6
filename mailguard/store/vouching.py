"""What vouches for the record: the key of the chain, and the two ends that the sealer knows of."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exists, insert, literal, or_, select, true, update

from mailguard.secret import Secret
from mailguard.store.chain import START, Head
from mailguard.store.errors import RecordAltered
from mailguard.store.macs import fits, under_mac
from mailguard.store.schema import audit, audit_key, audit_state
from mailguard.store.seal import Sealed, message

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from mailguard.store.macs import Values
    from mailguard.store.seal import Field, Seal

KEY_BYTES = 32
ROW = 1  # each of the two tables has one row
PLACE = (audit_key.name, ROW)


@dataclass(frozen=True, slots=True)
class Ends:
    """The newest sealed row, and the place behind which older ones were purged: `anchor.position` rows are gone."""

    head: Head = START
    seq: int = 0  # of the newest sealed row
    sealed_at: float = 0.0
    anchor: Head = START
    anchor_at: float | None = None  # when that was


_ONE = select(literal(1).label("one")).subquery()
_BEGUN = or_(exists(select(audit_state.c.id)), exists().where(audit.c.position.is_not(None)))
# One statement sees one moment: the first row may be sealed while we look.
_KEY = select(audit_key, _BEGUN.label("begun")).select_from(_ONE).outerjoin(audit_key, true())
_STATE = select(audit_state)


def key_of(connection: Connection, seal: Seal) -> bytes | None:
    """The key of the chain; None before the first row was sealed. RecordAltered where it is not as it was left."""
    row = connection.execute(_KEY).mappings().one()
    if row[audit_key.c.id] is None:
        if row["begun"]:
            raise RecordAltered("the key of the record's chain is gone from the database")
        return None
    key = key_in(seal, row)
    if key is None:
        raise RecordAltered("the key of the record's chain was altered in the database")
    return key.reveal()


def new_key(connection: Connection, seal: Seal, now: float) -> bytes:
    """Make the key, within the transaction that seals the first row."""
    key = secrets.token_bytes(KEY_BYTES)
    connection.execute(insert(audit_key), key_values(seal, Secret(key), now))
    connection.execute(insert(audit_state), {"id": ROW, **_values(key, Ends()), "holder": "", "claimed_at": 0.0})
    return key


def key_values(seal: Seal, key: Secret, created_at: float) -> Values:
    """The row of the key, sealed under the newest generation. The key itself stays as it is at a rotation, and with it
    every head that was ever written down."""
    sealed = seal.seal(PLACE, key)
    values = {"id": ROW, "seal_key": sealed.key_id, "sealed": sealed.content, "created_at": created_at}
    return under_mac(seal, audit_key, values)


def key_in(seal: Seal, row: RowMapping) -> Secret | None:
    """The key that a row holds; None where the row was altered."""
    key = seal.open(PLACE, Sealed(row[audit_key.c.seal_key], row[audit_key.c.sealed]))
    return key if fits(seal, audit_key, row) else None


def ends_of(connection: Connection, key: bytes) -> Ends:
    """The two ends. RecordAltered where they are not as the sealer left them."""
    row = connection.execute(_STATE).first()
    if row is None:
        raise RecordAltered("what the sealer knows of the record's ends is gone from the database")
    ends = Ends(Head(row.position, row.head), row.seq, row.sealed_at, Head(row.anchor, row.anchor_mac), row.anchor_at)
    whole = all(isinstance(column, bytes) for column in (row.head, row.anchor_mac, row.mac))
    if not whole or not hmac.compare_digest(_mac(key, ends), row.mac):
        raise RecordAltered("what the sealer knows of the record's ends was altered in the database")
    return ends


def keep_ends(connection: Connection, key: bytes, ends: Ends, **claim: object) -> None:
    """Put the ends down as they are now."""
    connection.execute(update(audit_state).values(**_values(key, ends), **claim))


def _values(key: bytes, ends: Ends) -> dict[str, object]:
    return {
        "position": ends.head.position,
        "seq": ends.seq,
        "head": ends.head.mac,
        "sealed_at": ends.sealed_at,
        "anchor": ends.anchor.position,
        "anchor_mac": ends.anchor.mac,
        "anchor_at": ends.anchor_at,
        "mac": _mac(key, ends),
    }


def _mac(key: bytes, ends: Ends) -> bytes:
    head, anchor = ends.head, ends.anchor
    of_head: list[Field] = [audit_state.name, head.position, head.mac, ends.seq, ends.sealed_at]
    return hmac.digest(key, message([*of_head, anchor.position, anchor.mac, ends.anchor_at]), "sha256")
