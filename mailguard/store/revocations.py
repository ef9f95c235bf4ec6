"""What has ended, in the order in which it ended: the list that every worker follows to cut its sessions off.

A row is written in the transaction of the change itself. A login carries the sequence number its facts were read at;
once its session is registered it asks whether anything it stands on was revoked since (SECURITY.md, promise 11).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, delete, exists, func, insert, or_, select

from mailguard.store.prepared import Prepared
from mailguard.store.schema import revocations

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Exists

    from mailguard.store.engine import Database

FOLLOWED_SECONDS = 7 * 24 * 3600.0


@unique
class Kind(StrEnum):
    """What a revocation ends: every session of, or opened with, its target."""

    ACCOUNT = "account"
    APP_PASSWORD = "app-password"
    EXPIRY = "expiry"  # of an app password: its sessions end, the row itself says why it lapsed
    DEVICE = "device"
    PASSWORD = "password"  # the own password of an account changed: what it opened ends
    STANDING = "standing"  # its group or role changed: the same, but its grants stay
    FACTOR = "factor"  # an authenticator was confirmed: what a bare password opened ends
    GRANT = "grant"
    SESSION = "session"
    ALL = "all"
    KEYS = "keys"  # ends nothing: the key file has changed, read it again


@dataclass(frozen=True, slots=True)
class Revocation:
    """One ending. `target` is the id of what ended; empty for ALL."""

    seq: int
    at: float
    kind: Kind
    target: str

    def ends(
        self,
        *,
        session: str,
        account: str,
        credential: str,
        device: str,
        person: str = "",
        password: str = "",
        bare: str = "",
    ) -> bool:
        """Whether it ends the session with this id, which stands on these. `password`: the account id, once again,
        where the user's own password had part in it; `bare` where nothing else had."""
        if self.kind in (Kind.ALL, Kind.KEYS):
            return self.kind is Kind.ALL
        stands_on = {"session": session, "account": account, "credential": credential, "device": device}
        stands_on |= {"person": person, "password": password, "bare": bare}
        return any(stands_on[each] == self.target for each in _STANDS_ON[self.kind])


_c = revocations.c
_REVOKE = insert(revocations)
_AFTER = select(revocations).where(_c.seq > bindparam("seq")).order_by(_c.seq)
_STANDS_ON = {
    Kind.SESSION: ("session",),
    Kind.ACCOUNT: ("account", "person"),
    Kind.APP_PASSWORD: ("credential",),
    Kind.EXPIRY: ("credential",),
    Kind.GRANT: ("credential",),
    Kind.DEVICE: ("device",),
    Kind.PASSWORD: ("password",),
    Kind.STANDING: ("password",),
    Kind.FACTOR: ("bare",),
}
_SINCE = Prepared(
    select(
        exists().where(
            _c.seq > bindparam("revision"),
            or_(
                _c.kind == Kind.ALL.value,
                *(
                    and_(_c.kind == kind.value, _c.target == bindparam(name))
                    for kind, names in _STANDS_ON.items()
                    for name in names
                ),
            ),
        )
    )
)


def told(kind: Kind, target: ColumnElement[str]) -> Exists:
    """Was this ending ever written of that target? Of app passwords the list forgets none."""
    return exists().where(_c.kind == kind.value, _c.target == target)


newest = select(func.coalesce(func.max(_c.seq), 0)).scalar_subquery()
"""The sequence number as of the statement it stands in."""


def revoke(connection: Connection, kind: Kind, target: str, at: float) -> None:
    """Write a revocation within the caller's transaction."""
    connection.execute(_REVOKE, {"at": at, "kind": kind.value, "target": target})


def revoked_since(
    connection: Connection,
    revision: int,
    *,
    account: str,
    credential: str = "",
    device: str = "",
    person: str = "",
    password: str = "",
    bare: str = "",
    session: str = "",
) -> bool:
    """Has a login, or anything that it stands on, been revoked after `revision`?"""
    stands_on = {"account": account, "credential": credential, "device": device, "person": person, "session": session}
    stands_on |= {"password": password, "bare": bare}
    return bool(_SINCE.scalar(connection, {"revision": revision, **stands_on}))


def purge(connection: Connection, now: float) -> None:
    """Forget what only running sessions needed to hear. That an app password was revoked is never forgotten."""
    old = _c.at < now - FOLLOWED_SECONDS
    connection.execute(delete(revocations).where(old, _c.kind != Kind.APP_PASSWORD.value))


class Revocations:
    """The list, as a worker follows it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: tuple[int, int] | None = None

    async def changed(self) -> bool:
        """Did anyone commit anything since the last call? True at the first one. Costs no disk access."""
        before, self._version = self._version, await self._database.version()
        return self._version != before

    async def after(self, seq: int) -> list[Revocation]:
        """What ended after sequence number `seq`, in order."""
        rows = await self._database.read(lambda connection: connection.execute(_AFTER, {"seq": seq}).all())
        return [Revocation(row.seq, row.at, Kind(row.kind), row.target) for row in rows]

    async def newest(self) -> int:
        """The newest sequence number; 0 before the first."""
        return await self._database.read(lambda connection: int(connection.execute(select(newest)).scalar_one()))
