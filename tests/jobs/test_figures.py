"""What the records say of themselves: rows that wait for their seal, letters, and that they can be read at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailguard.auth.accounts import Account
from mailguard.auth.ports import StoreUnavailable
from mailguard.jobs.figures import RecordFigures
from mailguard.observe.board import Meter
from mailguard.observe.families import LETTERS, RECORDS_READ, UNSEALED, UNSEALED_AGE
from mailguard.store import Store
from tests.store.words import StoppedClock, sql


def move(file: Path, to: Path) -> None:
    file.rename(to)


async def test_rows_that_wait_are_counted_and_how_long_the_oldest_has(
    store: Store, clock: StoppedClock, database: Path, ann: Account
) -> None:
    meter, moments = Meter(), iter(range(1, 9))
    figures = RecordFigures(store.sealer, store.notices, meter, clock, lambda: float(next(moments)))
    clock.at += 7
    await figures.look()
    assert (meter.read(UNSEALED), meter.read(UNSEALED_AGE), meter.read(RECORDS_READ)) == (2, 7, 1)
    await store.sealer.seal()
    await figures.look()
    assert (meter.read(UNSEALED), meter.read(UNSEALED_AGE), meter.read(RECORDS_READ)) == (0, 0, 2)
    assert meter.read(LETTERS) == 0
    sql(
        database,
        "INSERT INTO notices VALUES ('n', ?, 'kind', '', 0, '{}', '', '', 0, 5, NULL, ''), "
        "('sent', ?, 'kind', '', 0, '{}', '', '', 1, NULL, 5, '')",
        ann.name,
        ann.name,
    )
    await figures.look()
    assert meter.read(LETTERS) == 1


async def test_records_that_are_away_leave_the_moment_of_the_last_look(
    store: Store, clock: StoppedClock, database: Path
) -> None:
    meter, moments = Meter(), iter(range(1, 9))
    figures = RecordFigures(store.sealer, store.notices, meter, clock, lambda: float(next(moments)))
    await figures.look()
    away = database.with_name("away.db")
    move(database, away)
    with pytest.raises(StoreUnavailable):
        await figures.look()
    assert meter.read(RECORDS_READ) == 1
    move(away, database)
    await figures.look()
    assert meter.read(RECORDS_READ) == 2
