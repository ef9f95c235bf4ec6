"""The record: one row an event, written in the transaction of what it tells about, and never changed.

A flood does not fill the disk: events of one kind for one account, network, credential and reason that come faster
than their rate share one row (store.repeats; SECURITY.md, threat model). Names that no account has are anybody's to
make up: they share rates, of their network and of all, in a minute and in a day, whatever they are. An account's own
rows are never counted away in that: they share one beyond thousands a day alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, exists, func, insert, or_, select

from mailguard.auth.attempt import Factor, MailProtocol, Origin
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.auth.standing import Site
from mailguard.store import repeats
from mailguard.store.lines import Line, line_of
from mailguard.store.outbox import tell_of
from mailguard.store.prepared import Prepared
from mailguard.store.schema import accounts, audit, audit_repeats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, RowMapping, Table

    from mailguard.store.engine import Database

RATE_SECONDS = repeats.MINUTE
RATES = {
    Event.LOGIN_REFUSED: 60,
    Event.LOGIN_DEFERRED: 60,
    Event.SIGN_IN_REFUSED: 60,
    Event.SIGN_IN_DEFERRED: 60,
    Event.ACT_REFUSED: 60,
    Event.ROW_ALTERED: 1,
}
"""Rows in RATE_SECONDS for events that strangers can cause at will."""
MADE_UP_OF_NETWORK, MADE_UP = 100, 400
"""The same, for one event and reason at all names together that are no account's."""
MADE_UP_OF_DAY = 2000
"""The same in a day: a patient flood, slow enough for the rates above, would fill any disk in weeks."""
OF_ACCOUNT_A_DAY = 10_000
"""The same at one account, from everywhere together: a thousand networks that are each held to their rate."""
LATEST = 500  # rows that are looked through for those
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row as it stands in the record; it stands for `repeats` further events like it, the last one at `last_at`.

    `position` is its place in the chain; none while the sealer has not come to it.
    """

    seq: int
    row: AuditRow
    repeats: int
    last_at: float
    position: int | None = None


_SITES = {site.value: site for site in (*MailProtocol, *Site)}

_c = audit.c
_LATER = ("seq", "position", "mac")
_ALIKE = ("event", "account", "network", "credential", "reason")
_APPEND = Prepared(insert(audit), fills=[column.name for column in _c if column.name not in _LATER])
_RECENT = select(func.count()).where(*(_c[name] == bindparam(name) for name in _ALIKE), _c.at > bindparam("since"))
_latest = select(_c.at, _c.event, _c.reason, _c.network, _c.account).order_by(_c.seq.desc()).limit(LATEST).subquery()
_IS_ACCOUNT = select(exists().where(accounts.c.name == bindparam("account")))
_LIKE_MADE_UP = select(func.count().filter(_latest.c.network == bindparam("network")), func.count()).where(
    _latest.c.event == bindparam("event"),
    _latest.c.reason == bindparam("reason"),
    _latest.c.at > bindparam("since"),
    ~exists().where(accounts.c.name == _latest.c.account),
)
# Rows of windows that are over come late: the newest one may tell of something older.
_last = select(_c.last_at).order_by(_c.seq.desc()).limit(LATEST).subquery()
_NEWEST = select(func.max(_last.c.last_at))


def append(connection: Connection, row: AuditRow) -> None:
    """Add a row within the caller's transaction, and what its owner is to be told of it."""
    tell_of(connection, row)
    values = values_of(row)
    if row.daily:
        alike = [values[name] for name in (*_ALIKE, "protocol")]
        if repeats.count(connection, alike, row.at, values, window=repeats.DAY, counts=repeats.FIRST) > repeats.FIRST:
            return
    elif (rate := RATES.get(row.event)) is not None and _shares(connection, values, row.at, rate):
        return
    _APPEND.run(connection, values)


def _shares(connection: Connection, values: Mapping[str, object], at: float, rate: int) -> bool:
    """Count a row among so many others like it that they share one; False where it gets its own."""
    alike = {**{name: values[name] for name in _ALIKE}, "since": at - RATE_SECONDS}
    if connection.execute(_RECENT, alike).scalar_one() >= rate:
        repeats.count(connection, [values[name] for name in _ALIKE], at, values)
        return True
    event, reason = values["event"], values["reason"]
    if connection.execute(_IS_ACCOUNT, alike).scalar_one():
        of_account = ["account", values["account"], event, reason]
        return repeats.count(connection, of_account, at, values, window=repeats.DAY, counts=-OF_ACCOUNT_A_DAY) >= 0
    here, anywhere = connection.execute(_LIKE_MADE_UP, alike).one()
    if here >= MADE_UP_OF_NETWORK:
        repeats.count(connection, [event, values["network"], reason], at, values)
        return True
    if anywhere >= MADE_UP:
        repeats.count(connection, [event, reason], at, values)
        return True
    of_day = ["made up", event, reason]
    return repeats.count(connection, of_day, at, values, window=repeats.DAY, counts=-MADE_UP_OF_DAY) >= 0


def altered(table: str, row_id: str, at: float, *, account: str = "", actor: str = "system") -> AuditRow:
    """What the record says of a row that was changed behind our back."""
    detail = f"row {row_id} of {table} was changed outside mailguard"
    return AuditRow(Event.ROW_ALTERED, at, account=account, actor=actor, credential=row_id, detail=detail)


class AuditLog:
    """The record, as it is read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pages(
        self, account: str | None = None, since: float | None = None, until: float | None = None
    ) -> AsyncIterator[Sequence[Line]]:
        """All rows that match, oldest first, a page at a time, for other programs. `until` is exclusive."""
        which = _which(account, since, until)
        query = select(audit).where(_c.seq > bindparam("after"), *which).order_by(_c.seq).limit(PAGE)
        after = 0

        def read(connection: Connection) -> Sequence[Row[Any]]:
            return connection.execute(query, {"after": after}).all()

        while page := await self._database.read(read):
            yield [line_of(row._mapping) for row in page]
            after = page[-1].seq

    async def list(
        self, account: str | None = None, since: float | None = None, limit: int | None = None
    ) -> tuple[Recorded, ...]:
        """The newest `limit` rows that match, oldest first. Of a person also what they did at shared mailboxes."""
        query = select(audit).where(*_which(account, since)).order_by(_c.seq.desc()).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return tuple(recorded_of(row) for row in reversed(rows))

    async def held(self, account: str, since: float) -> tuple[Recorded, ...]:
        """What came too fast for rows of its own and is still being counted; `seq` is 0, for it has no row yet."""
        c = audit_repeats.c
        query = select(audit_repeats).where(
            or_(c.account == account, c.person == account), c.last_at >= since, c.repeats >= 0
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return tuple(Recorded(0, _event_of(row, audit_repeats), row[c.repeats], row[c.last_at]) for row in rows)

    async def refused(self, row: AuditRow) -> None:
        """Keep what came to nothing, and so has no transaction of its own."""
        await self._database.write(lambda connection: append(connection, row))

    async def newest(self) -> float:
        """When the newest row was written; 0 in an empty record. A clock far behind it is wrong."""
        return await self._database.read(lambda connection: connection.execute(_NEWEST).scalar()) or 0.0


def _which(account: str | None, since: float | None, until: float | None = None) -> Iterator[ColumnElement[bool]]:
    if account is not None:
        yield or_(_c.account == account, _c.person == account)
    if since is not None:
        yield _c.last_at >= since
    if until is not None:
        yield _c.at < until


def values_of(row: AuditRow) -> dict[str, str | int | float]:
    """An event as the columns of its row."""
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


def recorded_of(row: RowMapping) -> Recorded:
    """The event of a row."""
    return Recorded(row[_c.seq], _event_of(row, audit), row[_c.repeats], row[_c.last_at], row[_c.position])


def _event_of(row: RowMapping, table: Table) -> AuditRow:
    c = table.c
    return AuditRow(
        event=Event(row[c.event]),
        at=row[c.at],
        account=row[c.account],
        actor=row[c.actor],
        person=row[c.person],
        origin=Origin.of(row[c.address], row[c.port]) if row[c.address] else None,
        protocol=_SITES.get(row[c.protocol]),
        mechanism=row[c.mechanism],
        factor=Factor(row[c.factor]) if row[c.factor] else None,
        credential=row[c.credential],
        session=row[c.session],
        reason=row[c.reason],
        client=row[c.client],
        detail=row[c.detail],
    )
