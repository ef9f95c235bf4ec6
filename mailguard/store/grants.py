"""Grants and permits: which exact strings may open further sessions. Of a string only a keyed hash is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select, update

from mailguard.auth.accounts import Grant
from mailguard.store import revocations
from mailguard.store.ids import new_id
from mailguard.store.rows import grant_of, grant_values
from mailguard.store.schema import grants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from mailguard.auth.accounts import KeyedHash
    from mailguard.auth.ports import Permit
    from mailguard.store.seal import Seal

ENDED_KEPT_SECONDS = 24 * 3600.0

_c = grants.c
live = (_c.ended_at.is_(None), _c.until > bindparam("now"))
"""What makes a grant pass at `now`."""

_OPEN = insert(grants)
_OF_STRING = (
    select(grants)
    .where(_c.account_id == bindparam("account"), _c.string == bindparam("string"), *live)
    .order_by(_c.single, _c.opened_at)
)
_IS_LIVE = select(_c.id).where(_c.id == bindparam("grant"), *live)
_ENDING = update(grants).where(_c.ended_at.is_(None)).values(ended_at=bindparam("end"), string=None)
_USE = _ENDING.where(_c.id == bindparam("grant"), _c.until > bindparam("end"))


def open_grant(connection: Connection, seal: Seal, leave: Permit, opened_at: float, *, single: bool) -> str:
    """Keep this leave as a permit (`single`: for one session) or as a grant (for any number); its id."""
    grant = Grant(
        id=new_id(),
        account_id=leave.account_id,
        device_id=leave.device_id,
        network=leave.network,
        opened_at=opened_at,
        until=leave.until,
        single=single,
        idle_since=opened_at,
    )
    connection.execute(_OPEN, grant_values(seal, grant, leave.string))
    return grant.id


def of_string(connection: Connection, account_id: str, string: KeyedHash, now: float) -> Sequence[Grant]:
    """Live grants of one exact string, from any network; lasting ones first."""
    found = connection.execute(_OF_STRING, {"account": account_id, "string": string.digest, "now": now})
    return [grant_of(row) for row in found.mappings()]


def is_live(connection: Connection, grant_id: str, now: float) -> bool:
    """Does this grant still pass?"""
    return connection.execute(_IS_LIVE, {"grant": grant_id, "now": now}).first() is not None


def use_permit(connection: Connection, grant_id: str, now: float) -> bool:
    """Use a permit up; False where somebody else did, or its time has run out."""
    return connection.execute(_USE, {"grant": grant_id, "end": now}).rowcount == 1


def end(connection: Connection, which: ColumnElement[bool], now: float) -> None:
    """End live grants and erase their hashes. Their sessions end by a revocation of what they stood on."""
    connection.execute(_ENDING.where(which), {"end": now})


def end_one(connection: Connection, grant_id: str, now: float) -> None:
    """End one grant and every session opened with it."""
    end(connection, _c.id == grant_id, now)
    revocations.revoke(connection, revocations.Kind.GRANT, grant_id, now)


def purge(connection: Connection, now: float) -> None:
    """Erase the hashes of grants that have run out; forget grants a day after their end."""
    end(connection, _c.until <= now, now)
    connection.execute(delete(grants).where(_c.ended_at < now - ENDED_KEPT_SECONDS))
