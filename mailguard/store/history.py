"""The record of one account, newest first, a page at a time: what its owner reads.

Along the index of accounts, and in steps of bounded length: anybody who is signed in can ask, as often as they like.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, text, tuple_

from mailguard.auth.events import Event
from mailguard.store.audit import Recorded, recorded_of
from mailguard.store.schema import audit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import RowMapping

    from mailguard.auth.accounts import AccountName
    from mailguard.store.administration import Administration

STEP = 500  # rows that one statement reads
STEPS = 10  # of one page

REFUSED = frozenset(
    {
        Event.LOGIN_REFUSED,
        Event.LOGIN_DEFERRED,
        Event.SIGN_IN_REFUSED,
        Event.SIGN_IN_DEFERRED,
        Event.CLIENT_REFUSED,
    }
)

_c = audit.c
_OLDER = tuple_(_c.at, _c.seq) < tuple_(bindparam("at"), bindparam("seq"))
_NEWEST_FIRST = (_c.at.desc(), _c.seq.desc())
_OF_ACCOUNT = select(audit).where(_c.account == bindparam("name"), _OLDER).order_by(*_NEWEST_FIRST).limit(STEP)
# The second condition is that of the index, word for word, or SQLite does not see that it may use it.
_PERSONS = (_c.person == bindparam("name"), text("person != ''"))
_OF_PERSON = select(audit).where(*_PERSONS, _OLDER).order_by(*_NEWEST_FIRST).limit(STEP)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the record: a row that was written at a time (UTC seconds)."""

    at: float
    seq: int


NEWEST = Place(float("inf"), 0)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One page, newest first. `older` asks for the next one; None: there is no more. A page may be short, or empty, and
    yet not the last one."""

    rows: tuple[Recorded, ...]
    older: Place | None


class History:
    """The record, as the owner of an account reads it; also what they did at shared mailboxes."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def page(self, name: AccountName, *, only: frozenset[Event] = frozenset(), before: Place, size: int) -> Leaf:
        """The newest rows before a place; `only` events of these, where there are any."""
        found: list[Recorded] = []
        for _ in range(STEPS):
            rows, whole = await self._step(name, before)
            for row in rows:
                before = Place(row[_c.at], row[_c.seq])
                recorded = recorded_of(row)
                if not only or recorded.row.event in only:
                    found.append(recorded)
                if len(found) == size:
                    return Leaf(tuple(found), before)
            if whole:
                return Leaf(tuple(found), None)
        return Leaf(tuple(found), before)

    async def last(self, name: AccountName, event: Event, before: float) -> Recorded | None:
        """The newest event of a kind before a time, if it is not very long ago."""
        leaf = await self.page(name, only=frozenset({event}), before=Place(before, 0), size=1)
        return leaf.rows[0] if leaf.rows else None

    async def _step(self, name: AccountName, before: Place) -> tuple[Sequence[RowMapping], bool]:
        """The next rows, and whether those are all."""
        given = {"name": name, "at": before.at, "seq": before.seq}
        own, at_shared = await self._by.database.read(
            lambda connection: (
                connection.execute(_OF_ACCOUNT, given).mappings().all(),
                connection.execute(_OF_PERSON, given).mappings().all(),
            )
        )
        both = {row[_c.seq]: row for row in (*own, *at_shared)}
        ordered = sorted(both.values(), key=lambda row: (row[_c.at], row[_c.seq]), reverse=True)
        return ordered[:STEP], len(own) < STEP and len(at_shared) < STEP and len(ordered) <= STEP
