"""One-time codes in the records: issued by sets, used once, ended by what ends them."""

from pathlib import Path

import pytest

from mailguard.auth import recovery
from mailguard.auth.accounts import Account, AccountKind, CodeKind, OneTimeCode
from mailguard.auth.events import Event
from mailguard.store import ChangeRefused, Store
from tests.store.words import ANN, BOB, NOON, OPERATOR, content, phone, sql

MADE = recovery.make(2)
ALL = tuple(CodeKind)


async def issue(store: Store, kind: CodeKind, made: recovery.CodeSet = MADE) -> tuple[OneTimeCode, ...]:
    return await store.codes.issue(ANN, kind, made, actor=OPERATOR, expires_at=NOON + 60)


async def usable(store: Store, at: float = NOON) -> list[CodeKind]:
    return [code.kind for code in await store.codes.list(ANN) if code.usable(at)]


async def test_a_set_is_kept_as_hashes_of_one_salt(store: Store, ann: Account, database: Path) -> None:
    await phone(store)
    issued = await issue(store, CodeKind.RECOVERY)
    assert {code.id: code for code in await store.codes.list(ANN)} == {code.id: code for code in issued}
    assert [recovery.find(code, issued) for code in MADE.codes] == list(issued)
    everything = content(database) + content(database.with_name("mailguard.db-wal"))
    for code in MADE.codes:
        assert code.reveal() not in everything
        assert recovery.grouped(code).encode() not in everything
    last = (await store.audit.list())[-1].row
    assert (last.event, last.actor, last.detail) == (Event.CODES_ISSUED, OPERATOR, "2 recovery codes")


async def test_a_newer_set_ends_the_older_ones_of_its_kind(store: Store, ann: Account) -> None:
    await phone(store)
    await issue(store, CodeKind.RECOVERY)
    await issue(store, CodeKind.BYPASS, recovery.make(1))
    await issue(store, CodeKind.RECOVERY, recovery.make(1))
    assert sorted(await usable(store)) == [CodeKind.BYPASS, CodeKind.RECOVERY]
    assert [code.ended_at for code in await store.codes.list(ANN)].count(NOON) == 2


async def test_a_code_runs_out(store: Store, ann: Account) -> None:
    await issue(store, CodeKind.BYPASS)
    assert await usable(store, NOON + 59)
    assert not await usable(store, NOON + 60)


async def test_a_code_is_for_an_account_that_it_can_serve(store: Store, ann: Account) -> None:
    with pytest.raises(ChangeRefused, match="enrol one first"):
        await issue(store, CodeKind.RECOVERY)
    await issue(store, CodeKind.ENROLMENT)
    await phone(store)
    with pytest.raises(ChangeRefused, match=r"totp reset.*--may-enrol"):
        await issue(store, CodeKind.ENROLMENT)


async def test_the_first_authenticator_ends_the_enrolment_codes(store: Store, ann: Account) -> None:
    await issue(store, CodeKind.ENROLMENT)
    await issue(store, CodeKind.BYPASS)
    await phone(store)
    assert set(await usable(store)) == {CodeKind.BYPASS}


async def test_the_last_authenticators_removal_ends_the_recovery_codes(store: Store, ann: Account) -> None:
    device = await phone(store)
    await issue(store, CodeKind.RECOVERY)
    await store.devices.remove(ANN, device.id, actor=OPERATOR)
    assert await usable(store) == []


async def test_a_reset_ends_them_all(store: Store, ann: Account) -> None:
    await issue(store, CodeKind.ENROLMENT)
    await store.devices.reset(ANN, actor=OPERATOR)
    assert await usable(store) == []
    await phone(store)
    await issue(store, CodeKind.RECOVERY)
    await issue(store, CodeKind.BYPASS)
    await store.devices.reset(ANN, actor=OPERATOR)
    assert await usable(store) == []
    told = [r.row.detail for r in await store.audit.list() if r.row.event is Event.CODES_WITHDRAWN]
    assert told == ["2 codes: enrolment", "4 codes: bypass, recovery"]


async def test_nobody_signs_in_to_a_shared_mailbox(store: Store) -> None:
    await store.accounts.add(BOB, actor=OPERATOR, kind=AccountKind.SHARED)
    with pytest.raises(ChangeRefused, match="nobody signs in"):
        await store.codes.issue(BOB, CodeKind.BYPASS, MADE, actor=OPERATOR)


@pytest.mark.parametrize(
    "change", ["expires_at = 9e12", "may_enrol = 1", "kind = 'recovery'", "created_at = 9e12", "issued_by = ''"]
)
async def test_a_row_that_was_altered_opens_nothing(store: Store, ann: Account, database: Path, change: str) -> None:
    await issue(store, CodeKind.BYPASS, recovery.make(1))
    assert await usable(store)
    sql(database, f"UPDATE one_time_codes SET {change}")
    assert await usable(store) == []


async def test_codes_go_with_their_account(store: Store, ann: Account, database: Path) -> None:
    await issue(store, CodeKind.BYPASS)
    await store.accounts.remove(ANN, actor=OPERATOR)
    assert sql(database, "SELECT * FROM one_time_codes") == []
