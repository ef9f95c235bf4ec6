"""The record as administrators search it: newest first, a page at a time, and what it adds up to.

Read in pieces: the one reading connection of a process also serves everybody else, and the record may hold years.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Integer, cast, exists, func, or_, select

from mailguard.auth.events import Event
from mailguard.auth.roles import EVERYTHING, Over, RoleLimit
from mailguard.store.audit import PAGE, Recorded, recorded_of
from mailguard.store.lines import Line, line_of
from mailguard.store.schema import accounts, audit
from mailguard.store.search import reached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from mailguard.store.administration import Administration

PIECE = 2000  # rows of the record that one statement looks at
LOOKED_AT = 20_000  # rows that one page looks at, at most: the next one goes on from there
COUNTED = 200_000  # rows that sums look at, at most
DAY = 24 * 3600

_c = audit.c
_TOP = select(func.coalesce(func.max(_c.seq), 0))
_GRANTED = (Event.LOGIN_GRANTED.value, Event.SIGN_IN_GRANTED.value)
_REFUSED = (Event.LOGIN_REFUSED.value, Event.SIGN_IN_REFUSED.value)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows. Empty texts, sets and None: whatever it may be. Times are UTC seconds; `until` is exclusive."""

    account: str = ""  # as account, or as the person behind a shared mailbox
    events: frozenset[Event] = frozenset()
    reason: str = ""
    address: str = ""
    actor: str = ""
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """One page, newest first. `before` asks for the next one; None: there is no more."""

    rows: tuple[Recorded, ...]
    before: int | None


@dataclass(frozen=True, slots=True)
class Sums:
    """What a stretch of the record adds up to, by day (days since 1970, UTC) and factor, and by reason. `whole`: the
    record was looked at as far back as was asked."""

    granted: Counter[tuple[int, str]] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    whole: bool = True


class Trail:
    """The record, as far as a role limit reaches. Rows of no account are for whoever reaches everything."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def page(self, asked: Asked, limit: RoleLimit, *, before: int | None = None, size: int = 100) -> Leaf:
        """The newest rows that match, or those older than row `before`. A page may be short, or empty, and yet not the
        last one."""
        top = await self._top() if before is None else before - 1
        end, found = max(top - LOOKED_AT, 0), list[Recorded]()
        query = select(audit).where(*_which(asked, limit)).order_by(_c.seq.desc())
        while top > end and len(found) < size:
            piece = query.where(_c.seq <= top, _c.seq > top - PIECE).limit(size - len(found))
            found += await self._rows(piece)
            top = top - PIECE if len(found) < size else found[-1].seq - 1
        return Leaf(tuple(found), top + 1 if top > 0 else None)

    async def lines(self, asked: Asked, limit: RoleLimit) -> AsyncIterator[Sequence[Line]]:
        """All rows that match, oldest first, a page at a time, for other programs."""
        query = select(audit).where(*_which(asked, limit)).order_by(_c.seq).limit(PAGE)
        after = 0

        def read(connection: Connection) -> Sequence[Row[tuple[object, ...]]]:
            return connection.execute(query.where(_c.seq > after)).all()

        while page := await self._by.database.read(read):
            yield [line_of(row._mapping) for row in page]
            after = page[-1].seq

    async def sums(self, since: float, limit: RoleLimit = EVERYTHING) -> Sums:
        """What the record adds up to since then."""
        top = await self._top()
        end, sums, older = max(top - COUNTED, 0), Sums(), False
        day = cast(_c.at / DAY, Integer).label("day")
        query = (
            select(day, _c.event, _c.factor, _c.reason, func.sum(_c.repeats + 1).label("times"))
            .where(*_which(Asked(since=since), limit), _c.event.in_((*_GRANTED, *_REFUSED)))
            .group_by(day, _c.event, _c.factor, _c.reason)
        )
        newest = select(func.max(_c.last_at))
        while top > end and not older:
            bounds = (_c.seq <= top, _c.seq > top - PIECE)

            def work(connection: Connection, bounds: tuple[ColumnElement[bool], ...] = bounds) -> bool:
                for row in connection.execute(query.where(*bounds)):
                    _count(sums, row)
                last = connection.execute(newest.where(*bounds)).scalar()
                return last is not None and last < since

            older = await self._by.database.read(work)
            top -= PIECE
        return Sums(sums.granted, sums.refused, whole=older or top <= 0)

    async def _rows(self, query: Select[tuple[object, ...]]) -> Sequence[Recorded]:
        rows = await self._by.database.read(lambda connection: connection.execute(query).mappings().all())
        return [recorded_of(row) for row in rows]

    async def _top(self) -> int:
        return await self._by.database.read(lambda connection: int(connection.execute(_TOP).scalar_one()))


def _count(sums: Sums, row: Row[tuple[int, str, str, str, int]]) -> None:
    if row.event in _GRANTED:
        sums.granted[row.day, row.factor] += row.times
    else:
        sums.refused[row.reason] += row.times


def _which(asked: Asked, limit: RoleLimit) -> Iterator[ColumnElement[bool]]:
    if asked.account:
        yield or_(_c.account == asked.account, _c.person == asked.account)
    if asked.events:
        yield _c.event.in_(sorted(asked.events))
    for column, wanted in ((_c.reason, asked.reason), (_c.address, asked.address), (_c.actor, asked.actor)):
        if wanted:
            yield column == wanted
    if asked.since is not None:
        yield _c.last_at >= asked.since
    if asked.until is not None:
        yield _c.at < asked.until
    match limit.over:
        case Over.DOMAIN:  # of accounts that are gone, too
            yield _c.account.endswith(f"@{limit.named}", autoescape=True)
        case Over.GROUP:
            yield exists().where(accounts.c.name == _c.account, reached(limit))
