"""The record: one row an event, written in the transaction of what it tells about.

A flood does not fill the disk: events of one kind for one account, network, credential and reason that come faster
than their rate are counted in the newest row instead of getting one each (SECURITY.md, threat model). Names that no
account has are anybody's to make up: they share two rates, of their network and of all, whatever they are. An account's
own rows are never counted away in that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, exists, func, insert, or_, select, update

from mailguard.auth.attempt import Factor, MailProtocol, Origin
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.auth.standing import Site
from mailguard.store.outbox import tell_of
from mailguard.store.schema import accounts, audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, RowMapping

    from mailguard.store.engine import Database

RATE_SECONDS = 60.0
RATES = {
    Event.LOGIN_REFUSED: 60,
    Event.LOGIN_DEFERRED: 60,
    Event.SIGN_IN_REFUSED: 60,
    Event.SIGN_IN_DEFERRED: 60,
    Event.ROW_ALTERED: 1,
}
"""Rows in RATE_SECONDS for events that strangers can cause at will."""
MADE_UP_OF_NETWORK, MADE_UP = 100, 400
"""The same, for one event and reason at all names together that are no account's."""
LATEST = 500  # rows that are looked through for those


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row as it stands in the record; `repeats` further events like it followed, the last one at `last_at`."""

    seq: int
    row: AuditRow
    repeats: int
    last_at: float


_SITES = {site.value: site for site in (*MailProtocol, *Site)}

_c = audit.c
_ALIKE = ("event", "account", "network", "credential", "reason")
_APPEND = insert(audit)
_RECENT = select(func.count(), func.max(_c.seq)).where(
    *(_c[name] == bindparam(name) for name in _ALIKE), _c.at > bindparam("since")
)
_latest = (
    select(_c.seq, _c.at, _c.event, _c.reason, _c.network, _c.account).order_by(_c.seq.desc()).limit(LATEST).subquery()
)
_from_here = _latest.c.network == bindparam("network")
_LIKE_MADE_UP = select(
    func.count().filter(_from_here), func.max(_latest.c.seq).filter(_from_here), func.count(), func.max(_latest.c.seq)
).where(
    _latest.c.event == bindparam("event"),
    _latest.c.reason == bindparam("reason"),
    _latest.c.at > bindparam("since"),
    ~exists().where(accounts.c.name == bindparam("account")),
    ~exists().where(accounts.c.name == _latest.c.account),
)
_REPEAT = update(audit).where(_c.seq == bindparam("row")).values(repeats=_c.repeats + 1, last_at=bindparam("again"))
_NEWEST = select(_c.last_at).order_by(_c.seq.desc()).limit(1)


def append(connection: Connection, row: AuditRow) -> None:
    """Add a row within the caller's transaction, and what its owner is to be told of it."""
    tell_of(connection, row)
    values = _values(row)
    rate = RATES.get(row.event)
    if rate is not None:
        alike = {**{name: values[name] for name in _ALIKE}, "since": row.at - RATE_SECONDS}
        like_it = _enough(connection, alike, rate)
        if like_it is not None:
            connection.execute(_REPEAT, {"row": like_it, "again": row.at})
            return
    connection.execute(_APPEND, values)


def _enough(connection: Connection, alike: Mapping[str, object], rate: int) -> int | None:
    """The row that counts for one more like it, where there are as many already as get one each."""
    count, newest = connection.execute(_RECENT, alike).one()
    if count >= rate:
        return int(newest)
    here, newest_here, anywhere, newest_anywhere = connection.execute(_LIKE_MADE_UP, alike).one()
    if here >= MADE_UP_OF_NETWORK:
        return int(newest_here)
    return int(newest_anywhere) if anywhere >= MADE_UP else None


class AuditLog:
    """The record, as it is read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, account: str | None = None, since: float | None = None, limit: int | None = None
    ) -> tuple[Recorded, ...]:
        """The newest `limit` rows that match, oldest first. Of a person also what they did at shared mailboxes."""
        query = select(audit).order_by(_c.seq.desc()).limit(limit)
        if account is not None:
            query = query.where(or_(_c.account == account, _c.person == account))
        if since is not None:
            query = query.where(_c.last_at >= since)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return tuple(_recorded(row) for row in reversed(rows))

    async def newest(self) -> float:
        """When the newest row was written; 0 in an empty record. A clock far behind it is wrong."""
        return await self._database.read(lambda connection: connection.execute(_NEWEST).scalar()) or 0.0


def _values(row: AuditRow) -> dict[str, str | int | float]:
    return {
        "at": row.at,
        "event": row.event.value,
        "account": row.account,
        "actor": row.actor,
        "person": row.person,
        "address": str(row.origin.address) if row.origin else "",
        "port": row.origin.port if row.origin else 0,
        "network": row.origin.network if row.origin else "",
        "protocol": row.protocol.value if row.protocol else "",
        "mechanism": row.mechanism,
        "factor": row.factor.value if row.factor else "",
        "credential": row.credential,
        "session": row.session,
        "reason": str(row.reason),
        "client": row.client,
        "detail": row.detail,
        "repeats": 0,
        "last_at": row.at,
    }


def _recorded(row: RowMapping) -> Recorded:
    event = AuditRow(
        event=Event(row[_c.event]),
        at=row[_c.at],
        account=row[_c.account],
        actor=row[_c.actor],
        person=row[_c.person],
        origin=Origin.of(row[_c.address], row[_c.port]) if row[_c.address] else None,
        protocol=_SITES.get(row[_c.protocol]),
        mechanism=row[_c.mechanism],
        factor=Factor(row[_c.factor]) if row[_c.factor] else None,
        credential=row[_c.credential],
        session=row[_c.session],
        reason=row[_c.reason],
        client=row[_c.client],
        detail=row[_c.detail],
    )
    return Recorded(row[_c.seq], event, row[_c.repeats], row[_c.last_at])
