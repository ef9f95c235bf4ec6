"""How often the identity source is asked in vain (SECURITY.md, promise 6)."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.auth.accounts import Account
from mailguard.auth.events import Event
from mailguard.auth.ports import (
    Allowance,
    AuditRow,
    Bucket,
    Counts,
    Place,
    Question,
    Questions,
    Reservation,
    Reserved,
    Stake,
)
from mailguard.auth.throttle import owner_key
from mailguard.keyring import Keyring
from mailguard.store import Store, new_id
from mailguard.store.questions import KNOWN_SECONDS, PENDING_SECONDS
from tests.store.test_processes import together, workers
from tests.store.words import ANN, NOON, OPERATOR, StoppedClock, admitted, bare, refused, sql, stakes

FOUR = Questions(4, 1800.0)
DEFERRED = AuditRow(Event.LOGIN_DEFERRED, NOON, account=ANN, reason="backend-unavailable")
HERE, THERE = b"ann from here", b"ann from there"


async def ask(store: Store, mark: int, at: float = NOON, *, network: bytes = THERE, owner: bytes = b"ann") -> Stake:
    reservation = replace(
        stakes(b"%03d" % mark, pair=b"pair %d" % mark, owner=owner), question=Question(new_id(), network, FOUR)
    )
    return await store.ledger.reserve(reservation, at)


async def in_vain(store: Store, mark: int, at: float = NOON, reason: str = "wrong-password", **how: bytes) -> Reserved:
    stake = await ask(store, mark, at, **how)
    await store.ledger.refuse(refused(at=at, reason=reason), stake)
    return stake.state


async def known(store: Store, account: Account, at: float = NOON) -> None:
    entry = replace(bare(account.id), place=Place(b"ann", HERE))
    admitted(await store.ledger.admit(replace(entry, audit=replace(entry.audit, at=at))))


@pytest.mark.parametrize("reason", ["wrong-password", "unknown-account", "code-wrong", "code-missing", "suspended"])
async def test_whatever_was_wrong_counts_the_same(store: Store, reason: str) -> None:
    for number in range(3):
        assert await in_vain(store, number, reason=reason) is Reserved.NEW
    assert await in_vain(store, 3) is Reserved.THROTTLED
    assert await in_vain(store, 4, owner=b"bob") is Reserved.NEW


async def test_one_question_is_kept_for_a_network_where_the_name_was_granted(store: Store, ann: Account) -> None:
    await known(store, ann)
    for number in range(3):
        await in_vain(store, number)
    assert await in_vain(store, 3) is Reserved.THROTTLED
    assert await in_vain(store, 4, network=HERE) is Reserved.NEW
    assert await in_vain(store, 5, network=HERE) is Reserved.THROTTLED


async def test_a_network_is_known_for_thirty_days(
    store: Store, ann: Account, clock: StoppedClock, database: Path
) -> None:
    await known(store, ann)
    late = NOON + KNOWN_SECONDS
    for number in range(3):
        await in_vain(store, number, late)
    assert (await ask(store, 3, late - 1, network=HERE)).state is Reserved.NEW
    assert (await ask(store, 4, late, network=HERE)).state is Reserved.THROTTLED
    clock.at = late + 1
    await store.purge()
    assert sql(database, "SELECT * FROM known_networks") == []


async def test_a_granted_login_clears_the_name(store: Store, ann: Account) -> None:
    for number in range(2):
        await in_vain(store, number)
    stake = await ask(store, 2)
    admitted(await store.ledger.admit(replace(bare(ann.id), stake=stake)))
    assert [await in_vain(store, number) for number in range(3, 7)] == [Reserved.NEW] * 3 + [Reserved.THROTTLED]


async def test_what_was_under_way_when_another_was_granted_still_counts(store: Store, ann: Account) -> None:
    wrong, right = await ask(store, 1), await ask(store, 2)
    admitted(await store.ledger.admit(replace(bare(ann.id), stake=right)))
    await store.ledger.refuse(refused(), wrong)
    assert [await in_vain(store, number) for number in range(3, 6)] == [Reserved.NEW] * 2 + [Reserved.THROTTLED]


async def test_trouble_of_the_source_is_given_back(store: Store) -> None:
    for number in range(20):
        await store.ledger.defer(DEFERRED, await ask(store, number))
    assert await in_vain(store, 30) is Reserved.NEW


async def test_questions_in_flight_make_others_wait_and_not_fail(store: Store) -> None:
    stakes = [await ask(store, number) for number in range(3)]
    assert (await ask(store, 3)).state is Reserved.BUSY
    await store.ledger.refuse(refused(), stakes[0])
    assert (await ask(store, 3)).state is Reserved.BUSY
    await store.ledger.defer(DEFERRED, stakes[1])
    assert (await ask(store, 3)).state is Reserved.NEW
    # What a process asked that died meanwhile may have reached the directory.
    assert (await ask(store, 4, NOON + PENDING_SECONDS)).state is Reserved.THROTTLED


async def test_the_window_slides(store: Store) -> None:
    for number in range(3):
        await in_vain(store, number, NOON + 60 * number)
    assert (await ask(store, 3, NOON + 1799)).state is Reserved.THROTTLED
    assert (await ask(store, 3, NOON + 1800)).state is Reserved.NEW


async def test_an_operator_may_clear_it(store: Store, keys: Keyring, ann: Account) -> None:
    owner = owner_key(keys, ANN)
    for number in range(3):
        await in_vain(store, number, owner=owner)
    assert (await ask(store, 3, owner=owner)).state is Reserved.THROTTLED
    await store.accounts.unlock(ANN, actor=OPERATOR)
    assert (await ask(store, 3, owner=owner)).state is Reserved.NEW


async def test_a_known_wrong_string_asks_nothing_and_counts_as_no_question(store: Store, database: Path) -> None:
    await in_vain(store, 1)
    for _ in range(10):
        assert await in_vain(store, 1, NOON + 60) is Reserved.REPEATED
    assert sql(database, "SELECT count(*) FROM questions") == [(1,)]
    assert await in_vain(store, 1, NOON + 900) is Reserved.AGAIN, "due to be asked again: within the allowance"
    assert sql(database, "SELECT count(*) FROM questions") == [(2,)]


async def test_whoever_may_not_ask_leaves_no_row(store: Store, database: Path) -> None:
    for number in range(3):
        await in_vain(store, number)
    before = sql(database, "SELECT * FROM questions"), sql(database, "SELECT * FROM throttle_marks")
    await in_vain(store, 9)
    assert (sql(database, "SELECT * FROM questions"), sql(database, "SELECT * FROM throttle_marks")) == before


async def test_three_processes_ask_no_more_than_one(store: Store, ann: Account, database: Path) -> None:
    with workers("asker", database, "abc") as found:
        said = await asyncio.to_thread(together, found)
    asked = [line for lines in said for line in lines if line.startswith("asked")]
    assert len(asked) == 3


async def test_strangers_do_not_fill_what_is_kept_of_the_accounts_allowance(store: Store, ann: Account) -> None:
    await known(store, ann)

    async def guess(number: int, network: bytes) -> Reserved:
        account = Bucket(Counts.ACCOUNT, b"account", Allowance(3, leak=3600.0, kept=2))
        question = Question(new_id(), network, Questions(1000, 1800.0))
        reservation = Reservation(b"ann", b"%03d" % number, (account,), b"codes", question)
        stake = await store.ledger.reserve(reservation, NOON)
        await store.ledger.refuse(refused(), stake)
        return stake.state

    assert [await guess(number, THERE) for number in range(4)] == [Reserved.NEW] * 3 + [Reserved.THROTTLED]
    assert [await guess(number, HERE) for number in range(4, 7)] == [Reserved.NEW] * 2 + [Reserved.THROTTLED]
