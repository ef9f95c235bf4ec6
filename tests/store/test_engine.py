"""Trouble of the database: it is told with what to do, and nothing is half done (SECURITY.md, promise 2)."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from mailguard.auth.accounts import Account, AccountName
from mailguard.auth.ports import Lost, StoreUnavailable
from mailguard.keyring import Keyring
from mailguard.store import Store, engine
from mailguard.store.engine import database_path, unavailable
from mailguard.store.errors import ChangeRefused
from tests.store.words import ANN, BOB, NOON, OPERATOR, StoppedClock, admitted, by_code, full_disk, phone, sql, traced


def log_size(database: Path) -> int:
    return database.with_name("mailguard.db-wal").stat().st_size


async def test_a_full_disk_burns_no_code(store: Store, keys: Keyring, ann: Account, database: Path) -> None:
    device = await phone(store)
    rows = len(await store.audit.list())
    with full_disk(log_size(database)), pytest.raises(StoreUnavailable, match=r"full|no space left"):
        await store.ledger.admit(by_code(keys, device, 101))
    assert len(await store.audit.list()) == rows
    assert [d.last_step for d in await store.devices.list(ANN)] == [100]
    admitted(await store.ledger.admit(by_code(keys, device, 101)))


async def test_a_full_disk_changes_no_credential_and_does_not_stop_reading(
    store: Store, ann: Account, database: Path
) -> None:
    with full_disk(log_size(database)):
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await store.accounts.suspend(ANN, actor=OPERATOR)
            assert await store.accounts.get(ANN) == ann
            assert await store.revocations.after(0) == []
    await store.accounts.suspend(ANN, actor=OPERATOR)
    assert [r.target for r in await store.revocations.after(0)] == [ann.id]


async def test_a_database_that_another_process_locks_is_unavailable_to_writers_only(
    store: Store, ann: Account, database: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engine._CONNECT, "timeout", 0.05)
    impatient = await Store.open(f"sqlite:///{database}", keys)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="lock"):
        await impatient.accounts.suspend(ANN, actor=OPERATOR)
    assert await impatient.accounts.get(ANN) == ann
    other.execute("ROLLBACK")
    other.close()
    await impatient.accounts.suspend(ANN, actor=OPERATOR)
    await impatient.close()


async def test_a_caller_that_hangs_up_in_mid_transaction_breaks_nothing(store: Store, ann: Account) -> None:
    asked = asyncio.gather(store.accounts.add(BOB, actor=OPERATOR), store.accounts.suspend(ANN, actor=OPERATOR))
    for _ in range(3):
        await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await store.accounts.resume(ANN, actor=OPERATOR)
    assert [a.name for a in await store.accounts.list()] == [ANN, BOB]
    assert await store.accounts.get(ANN) == ann


async def test_what_waits_is_committed_together_and_what_fails_takes_nobody_along(store: Store, ann: Account) -> None:
    asked = [store.accounts.add(AccountName(f"p{n}@example.org"), actor=OPERATOR) for n in range(20)]
    twice = store.accounts.add(ANN, actor=OPERATOR)
    async with traced(store) as statements:
        answers = await asyncio.gather(*asked[:10], twice, *asked[10:], return_exceptions=True)
    assert [type(answer) for answer in answers if isinstance(answer, BaseException)] == [ChangeRefused]
    assert len(await store.accounts.list()) == 21
    assert statements.count("COMMIT") == 1


async def test_so_many_share_a_commit_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_TOGETHER", 3)
    names = [AccountName(f"p{n}@example.org") for n in range(7)]
    async with traced(store) as statements:
        await asyncio.gather(*(store.accounts.add(name, actor=OPERATOR) for name in names))
    assert statements.count("COMMIT") == 3
    assert [account.name for account in await store.accounts.list()] == names


async def test_a_commit_that_fails_is_answered_to_everyone_who_shared_it(store: Store, database: Path) -> None:
    rows = len(await store.audit.list())
    asked = [store.accounts.add(AccountName(f"p{n}@example.org"), actor=OPERATOR) for n in range(5)]
    with full_disk(log_size(database)):
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 5
    assert len(await store.audit.list()) == rows


async def test_closing_waits_for_work_in_hand(
    store: Store, ann: Account, database: Path, keys: Keyring, clock: StoppedClock
) -> None:
    device = await phone(store)
    other = await Store.open(f"sqlite:///{database}", keys, now=clock)
    asked = asyncio.gather(other.ledger.admit(by_code(keys, device, 101)))
    for _ in range(3):
        await asyncio.sleep(0)
    await other.close()
    admitted(*await asked)
    assert await store.ledger.admit(by_code(keys, device, 101, text="x")) is Lost.STEP_USED
    with pytest.raises(StoreUnavailable, match="shutting down"):
        await other.accounts.get(ANN)


async def test_commits_survive_a_power_cut_ids_stay_whole_and_what_is_erased_is_gone(store: Store) -> None:
    names = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")

    def settings(connection: Connection) -> list[object]:
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await store._database.write(settings) == ["wal", 2, 1, 1, 5000]
    assert await store._database.read(settings) == ["wal", 2, 1, 1, 5000]


async def test_an_error_of_the_database_shows_no_value(store: Store, ann: Account, database: Path) -> None:
    sql(database, "DROP TABLE grants")
    with pytest.raises(StoreUnavailable) as caught:
        await store.accounts.suspend(ANN, actor=OPERATOR)
    chain = f"{caught.value}{caught.value.__cause__}"
    assert ann.id not in chain
    assert "grants" in chain


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (sqlite3.SQLITE_BUSY, "fuser"),
        (sqlite3.SQLITE_FULL, "free some"),
        (sqlite3.SQLITE_READONLY, "as the user that owns it"),
        (sqlite3.SQLITE_CANTOPEN, "its folder must exist"),
        (sqlite3.SQLITE_CORRUPT, "restore it from a backup"),
        (sqlite3.SQLITE_NOTADB, "restore it from a backup"),
        (sqlite3.SQLITE_IOERR_WRITE, "system's log"),
        (sqlite3.SQLITE_ERROR, "SQLite says: boom"),
    ],
)
def test_every_trouble_names_the_file_and_a_remedy(code: int, remedy: str) -> None:
    cause = sqlite3.OperationalError("boom")
    cause.sqlite_errorcode = code
    text = str(unavailable(Path("/var/lib/mailguard.db"), DBAPIError("SELECT", None, cause)))
    assert remedy in text
    assert "/var/lib/mailguard.db" in text


def test_only_files_of_sqlite_hold_records() -> None:
    assert database_path("sqlite:////var/lib/mailguard.db") == Path("/var/lib/mailguard.db")


@pytest.mark.parametrize("url", ["postgresql://db/mailguard", "sqlite://", "sqlite:///:memory:", "mailguard.db", ""])
async def test_other_databases_are_refused_with_what_to_write(url: str, keys: Keyring) -> None:
    with pytest.raises(StoreUnavailable, match=r"write url = .sqlite:///mailguard\.db."):
        await Store.open(url, keys, now=lambda: NOON)
