"""The record as the owner of an account reads it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from sqlalchemy.dialects import sqlite

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Origin, Reason
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import Store, history
from mailguard.store.history import NEWEST, REFUSED
from tests.store.words import NOON

ME, BOB = AccountName("me@example.org"), AccountName("bob@example.org")
ROW = AuditRow(Event.LOGIN_GRANTED, NOON, account=ME, origin=Origin.of("192.0.2.7", 1), credential="a")
NO = replace(ROW, event=Event.LOGIN_REFUSED, reason=Reason.WRONG_PASSWORD)


async def write(store: Store, *rows: AuditRow) -> None:
    for row in rows:
        await store.audit.refused(row)


async def all_of(store: Store, size: int, only: frozenset[Event] = frozenset()) -> list[float]:
    seen, before = [], NEWEST
    while True:
        leaf = await store.history.page(ME, only=only, before=before, size=size)
        seen += [recorded.row.at for recorded in leaf.rows]
        if leaf.older is None:
            return seen
        before = leaf.older


async def test_page_by_page_every_row_comes_once_newest_first(store: Store) -> None:
    await write(store, *(replace(ROW, at=NOON + number // 2) for number in range(25)))
    await write(store, replace(ROW, account=BOB), replace(ROW, account="shared@example.org", person=ME, at=NOON + 5.5))
    seen = await all_of(store, 4)
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 26
    assert NOON + 5.5 in seen


async def test_only_refusals_and_no_more_than_is_asked_for(store: Store) -> None:
    await write(store, *(replace(NO if number % 7 == 0 else ROW, at=NOON + number) for number in range(40)))
    leaf = await store.history.page(ME, only=REFUSED, before=NEWEST, size=2)
    assert [recorded.row.at - NOON for recorded in leaf.rows] == [35, 28]
    assert [at - NOON for at in await all_of(store, 2, REFUSED)] == [35, 28, 21, 14, 7, 0]


async def test_the_last_of_a_kind_before_a_time(store: Store) -> None:
    await write(store, *(replace(ROW, at=NOON + number) for number in range(3)))
    found = await store.history.last(ME, Event.LOGIN_GRANTED, NOON + 2)
    assert found is not None
    assert found.row.at == NOON + 1
    assert await store.history.last(ME, Event.SIGN_IN_GRANTED, NOON + 2) is None


def test_both_questions_go_along_an_index(store: Store, database: Path) -> None:
    """Or one account's history would cost a walk through everybody's."""
    with sqlite3.connect(database) as connection:
        for query, index in ((history._OF_ACCOUNT, "ix_audit_account"), (history._OF_PERSON, "ix_audit_person")):
            asked = query.params(name=ME, at=NOON, seq=1).compile(dialect=sqlite.dialect(paramstyle="named"))
            plan = connection.execute(f"EXPLAIN QUERY PLAN {asked}", asked.params).fetchall()
            assert index in str(plan), plan
