"""The record is sealed, streamed, told of and purged beside the sessions, by one process at a time."""

import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.jobs.sealing import Sealing, tell_head
from mailguard.observe.stream import LineStream
from mailguard.store import Store
from mailguard.store.sealer import BATCH, CLAIM_SECONDS, PURGE_BATCH
from tests.store.words import ANN, NOON, StoppedClock, granted, sql

DAY = 86400.0


class Clock:
    """A clock that may be doubted."""

    def __init__(self, at: StoppedClock) -> None:
        self._at = at
        self.sure = True

    def now(self) -> float:
        return self._at()

    def trusted(self) -> bool:
        return self.sure


class Kept:
    """One process's keeper of the record, and what it streamed."""

    def __init__(self, store: Store, clock: StoppedClock) -> None:
        self.read: list[bytes] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.stream: LineStream | None = LineStream(self._take, waiting=BATCH + 100)
        self.clock = Clock(clock)
        self.retention: float | None = 30 * DAY
        self.job = Sealing(store.sealer, self.clock, lambda: self.stream, lambda: self.retention)

    def _take(self, line: bytes) -> None:
        assert self.go_on.wait(10)
        self.read.append(line)

    def lines(self) -> list[dict[str, object]]:
        """What was streamed so far."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None
        return [json.loads(line) for line in self.read]


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "mailguard.db"


@pytest.fixture
async def stores(database: Path, clock: StoppedClock) -> AsyncIterator[list[Store]]:
    """One record, two processes."""
    ring = keyring.create(database.with_name("keys.toml"))
    opened = [await Store.open(f"sqlite:///{database}", ring, now=clock) for _ in range(2)]
    yield opened
    for store in opened:
        await store.close()


@pytest.fixture
def keepers(stores: list[Store], clock: StoppedClock) -> Iterator[list[Kept]]:
    kept = [Kept(store, clock) for store in stores]
    yield kept
    for each in kept:
        each.go_on.set()
        each.lines()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "mailguard.audit"]


async def test_every_row_is_streamed_once_by_who_sealed_it(stores: list[Store], keepers: list[Kept]) -> None:
    one, other = keepers
    await one.job.look()
    for number in range(BATCH + 3):
        await stores[1].ledger.record(granted(at=NOON + number, detail=str(number)))
    await other.job.look()
    await one.job.look()
    lines = one.lines()
    assert [line["position"] for line in lines] == list(range(1, BATCH + 5))
    assert [line["detail"] for line in lines][1:] == [str(number) for number in range(BATCH + 3)]
    assert other.lines() == []


async def test_a_reader_that_hangs_does_not_keep_rows_from_being_sealed(
    stores: list[Store], keepers: list[Kept]
) -> None:
    one, _ = keepers
    one.go_on.clear()
    for number in range(20):
        await stores[0].ledger.record(granted(at=NOON + number))
        await one.job.look()
    assert (await stores[0].sealer.tip()).unsealed == 0


async def test_a_silent_sealer_is_replaced(stores: list[Store], keepers: list[Kept], clock: StoppedClock) -> None:
    one, other = keepers
    await one.job.look()
    await stores[0].ledger.record(granted())
    clock.at += CLAIM_SECONDS
    await other.job.look()
    assert [line["position"] for line in other.lines()] == [2]


async def test_without_a_stream_rows_are_sealed_all_the_same(stores: list[Store], keepers: list[Kept]) -> None:
    keepers[0].lines()
    await keepers[0].job.look()
    assert (await stores[0].sealer.tip()).unsealed == 0


async def test_the_head_is_told_by_who_seals(
    stores: list[Store], keepers: list[Kept], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mailguard.audit")
    one, other = keepers
    await one.job.look()
    await stores[0].ledger.record(granted())
    await other.job.head()
    assert said(caplog) == []
    await one.job.head()
    (record,) = caplog.records
    assert (record.getMessage(), record.__dict__["not_sealed_yet"]) == ("audit head", 1)
    assert record.__dict__["head"] == str((await stores[0].sealer.tip()).head)


async def test_tampering_is_told_once_with_what_to_do(
    stores: list[Store], keepers: list[Kept], database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, _ = keepers
    await one.job.look()
    ((position,),) = sql(database, "SELECT position FROM audit_state")
    sql(database, "UPDATE audit_state SET position = 9")
    await stores[0].ledger.record(granted())
    await one.job.look()
    await one.job.look()
    assert said(caplog) == ["rows of the audit cannot be sealed"]
    assert "mailguard audit verify" in caplog.records[0].__dict__["detail"]
    await tell_head(stores[0].sealer)
    assert said(caplog)[1:] == ["the audit has no head that can be vouched for"]
    sql(database, "UPDATE audit_state SET position = ?", position)
    await one.job.look()
    sql(database, "UPDATE audit_state SET position = 9")
    await stores[0].ledger.record(granted())
    await one.job.look()
    assert said(caplog)[2:] == ["rows of the audit cannot be sealed"]


async def test_old_rows_are_purged_by_who_seals(stores: list[Store], keepers: list[Kept], clock: StoppedClock) -> None:
    one, other = keepers
    for number in range(PURGE_BATCH + 2):
        await stores[0].ledger.record(granted(at=NOON + number / 1000))
    await one.job.look()
    clock.at += 30 * DAY + 3
    await other.job.purge()
    one.clock.sure = False
    await one.job.purge()
    one.clock.sure, one.retention = True, None
    await one.job.purge()
    assert len(await stores[0].audit.list(account=ANN)) == PURGE_BATCH + 2
    one.retention = 30 * DAY
    await one.job.purge()
    rows = await stores[0].audit.list()
    assert [r.row.detail.partition(" up to ")[0] for r in rows] == [f"{PURGE_BATCH} rows", "3 rows"]
    assert rows[-1].row.detail.endswith(", older than 30d")
    await one.job.look()
    assert (await stores[0].verify()).broken is None


async def test_evidence_stays(
    stores: list[Store], keepers: list[Kept], database: Path, clock: StoppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    await stores[0].ledger.record(granted())
    await keepers[0].job.look()
    sql(database, "UPDATE audit SET detail = 'forged' WHERE position = 2")
    clock.at += 31 * DAY
    await keepers[0].job.purge()
    assert said(caplog) == ["the audit is not purged"]
    assert len(await stores[0].audit.list(account=ANN)) == 1
