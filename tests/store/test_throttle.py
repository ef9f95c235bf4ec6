"""reserve, then refuse, defer or admit: what is counted, what is asked again (SECURITY.md, promise 6)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.auth.accounts import Account
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow, Question, Questions, Reserved, Stake
from mailguard.keyring import Keyring
from mailguard.store import Store, new_id
from mailguard.store.throttle import ASK_AGAIN_SECONDS, MARK_SECONDS, PENDING_SECONDS
from tests.store.words import ANN, NOON, StoppedClock, admitted, by_code, phone, refused, sql, stakes

DEFERRED = AuditRow(Event.LOGIN_DEFERRED, NOON, account=ANN, reason="backend-unavailable")


async def stake(store: Store, mark: bytes = b"aaa", at: float = NOON, **how: bytes) -> Stake:
    return await store.ledger.reserve(stakes(mark, **how), at)  # type: ignore[arg-type]  # passed on as it is


async def wrong(store: Store, mark: bytes = b"aaa", at: float = NOON, **how: bytes) -> Reserved:
    staked = await stake(store, mark, at, **how)
    await store.ledger.refuse(refused(at=at), staked)
    return staked.state


async def test_parallel_attempts_are_counted_before_any_is_verified(store: Store) -> None:
    states = [(await stake(store, mark)).state for mark in (b"one", b"two", b"tri", b"for")]
    assert states == [Reserved.NEW, Reserved.NEW, Reserved.NEW, Reserved.THROTTLED]


async def test_whoever_is_throttled_leaves_no_row(store: Store, database: Path) -> None:
    for mark in (b"one", b"two", b"tri"):
        await wrong(store, mark)
    before = sql(database, "SELECT * FROM throttle_marks")
    assert (await stake(store, b"for")).state is Reserved.THROTTLED
    assert sql(database, "SELECT * FROM throttle_marks") == before


async def test_each_further_one_waits_twice_as_long(store: Store) -> None:
    for mark in (b"one", b"two", b"tri"):
        await wrong(store, mark)
    at = NOON
    for number, wait in enumerate((30, 60, 120, 240)):
        assert (await stake(store, b"xxx", at + wait - 1)).state is Reserved.THROTTLED
        at += wait
        assert await wrong(store, b"%03d" % number, at) is Reserved.NEW


async def test_any_full_bucket_throttles(store: Store) -> None:
    for number in range(50):
        assert await wrong(store, number.to_bytes(3, "big"), pair=b"pair %d" % number) is Reserved.NEW
    assert (await stake(store, b"new", pair=b"fresh")).state is Reserved.THROTTLED


async def test_the_same_string_in_flight_is_one_stake(store: Store) -> None:
    first = await stake(store)
    assert [(await stake(store)).state for _ in range(5)] == [Reserved.SHARED] * 5
    assert first.state is Reserved.NEW
    assert [(await stake(store, mark)).state for mark in (b"two", b"tri")] == [Reserved.NEW] * 2


async def test_a_full_bucket_answers_to_a_known_string_as_to_any(store: Store) -> None:
    """Else whoever is throttled could go on to learn which strings the owner's old phone sends."""
    for mark in (b"one", b"two", b"tri"):
        await wrong(store, mark)
    assert {(await stake(store, mark)).state for mark in (b"two", b"new")} == {Reserved.THROTTLED}


async def test_the_last_that_is_free_may_come_on_many_connections(store: Store) -> None:
    for mark in (b"one", b"two"):
        await wrong(store, mark)
    assert [(await stake(store, b"tri")).state for _ in range(3)] == [Reserved.NEW, Reserved.SHARED, Reserved.SHARED]


async def test_a_string_is_known_from_every_network(store: Store) -> None:
    await wrong(store)
    assert [await wrong(store, pair=b"pair %d" % number) for number in range(5)] == [Reserved.REPEATED] * 5


async def test_a_known_wrong_string_is_asked_again_after_a_quarter_of_an_hour_uncounted(store: Store) -> None:
    await wrong(store)
    again = NOON + ASK_AGAIN_SECONDS
    assert await wrong(store, at=again - 1) is Reserved.REPEATED
    assert await wrong(store, at=again) is Reserved.AGAIN
    assert await wrong(store, at=again + 1) is Reserved.REPEATED
    assert [await wrong(store, mark, at=again + 2) for mark in (b"two", b"tri")] == [Reserved.NEW] * 2


async def test_asking_again_that_came_to_nothing_is_due_at_once(store: Store) -> None:
    await wrong(store)
    again = NOON + ASK_AGAIN_SECONDS
    await store.ledger.defer(DEFERRED, await stake(store, at=again))
    assert (await stake(store, at=again + 1)).state is Reserved.AGAIN


async def test_a_deferred_attempt_was_never_made(store: Store, database: Path) -> None:
    await store.ledger.defer(DEFERRED, await stake(store))
    assert sql(database, "SELECT * FROM throttle_marks") == []
    assert sql(database, "SELECT DISTINCT level, in_a_row FROM throttle_buckets") == [(0.0, 0)]
    assert (await store.audit.list())[-1].row.event is Event.LOGIN_DEFERRED


async def test_a_deferral_does_not_refund_what_was_wrong_from_another_network(store: Store, database: Path) -> None:
    """Else a guesser would have his guesses back whenever the mail store is down."""
    await wrong(store, pair=b"ann from here")
    await store.ledger.defer(DEFERRED, await stake(store, pair=b"ann from there"))
    assert sql(database, "SELECT mark, pending FROM throttle_marks") == [(b"aaa", 0)]
    counted = sql(database, "SELECT key, level FROM throttle_buckets WHERE counts <> 'codes' ORDER BY key")
    assert counted == [(b"ann from here", 1.0), (b"network", 1.0)]


async def test_a_second_connection_is_counted_though_the_first_was_deferred(store: Store, database: Path) -> None:
    first, second = await stake(store), await stake(store)
    await store.ledger.defer(DEFERRED, first)
    await store.ledger.refuse(refused(), second)
    assert (await stake(store)).state is Reserved.REPEATED
    assert sql(database, "SELECT level FROM throttle_buckets WHERE counts <> 'codes'") == [(1.0,), (1.0,)]


async def test_a_stake_left_by_a_dead_process_is_taken_over(store: Store) -> None:
    await stake(store)
    assert (await stake(store, at=NOON + PENDING_SECONDS - 1)).state is Reserved.SHARED
    taken_over = await stake(store, at=NOON + PENDING_SECONDS)
    assert taken_over.state is Reserved.NEW
    await store.ledger.defer(DEFERRED, taken_over)
    assert (await stake(store, at=NOON + PENDING_SECONDS)).state is Reserved.NEW


async def test_marks_known_before_a_granted_login_stay_known_but_do_not_count(
    store: Store, keys: Keyring, ann: Account
) -> None:
    device = await phone(store)
    await wrong(store, b"one")
    admitted(await store.ledger.admit(by_code(keys, device, 101, stake=await stake(store, b"yes"))))
    assert (await stake(store, b"one")).state is Reserved.REPEATED
    fresh = [(await stake(store, mark)).state for mark in (b"two", b"tri", b"for", b"fiv")]
    assert fresh == [Reserved.NEW, Reserved.NEW, Reserved.NEW, Reserved.THROTTLED]


async def test_a_yes_erases_the_mark(store: Store, keys: Keyring, ann: Account, database: Path) -> None:
    device = await phone(store)
    await wrong(store)
    again = NOON + ASK_AGAIN_SECONDS
    staked = await stake(store, at=again)
    admitted(await store.ledger.admit(by_code(keys, device, 101, stake=staked, at=again)))
    assert sql(database, "SELECT * FROM throttle_marks") == []


async def test_marks_live_a_day_from_the_last_arrival(store: Store, clock: StoppedClock) -> None:
    await wrong(store, b"one")
    await wrong(store, b"two")
    await stake(store, b"two", NOON + 60)
    clock.at = NOON + MARK_SECONDS + 30
    await store.purge()
    assert (await stake(store, b"two", clock.at)).state is Reserved.AGAIN
    assert (await stake(store, b"one", clock.at)).state is Reserved.NEW


@pytest.mark.parametrize("reason", ["code-wrong", "code-reused", "replay"])
async def test_a_string_whose_code_was_wrong_is_never_asked_about_again(store: Store, reason: str) -> None:
    """Each time would be a guess at the code of that moment, and only the first would be counted."""
    spent = await stake(store)
    await store.ledger.refuse(refused(reason=reason), spent)
    for at, pair in ((NOON + 1, b"pair"), (NOON + 2, b"elsewhere"), (NOON + ASK_AGAIN_SECONDS + 3, b"pair")):
        assert (await stake(store, at=at, pair=pair)).state is Reserved.REPEATED


async def test_a_spent_string_stays_spent_whatever_came_of_others_in_flight(store: Store) -> None:
    first, second, third = [await stake(store) for _ in range(3)]
    await store.ledger.refuse(refused(reason="code-wrong"), first)
    await store.ledger.defer(DEFERRED, second)
    await store.ledger.refuse(refused(), third)
    assert (await stake(store, at=NOON + ASK_AGAIN_SECONDS)).state is Reserved.REPEATED


@pytest.mark.parametrize("pace", [1.0, 400.0, 1000.0])
async def test_what_is_counted_and_asked_does_not_tell_which_part_was_wrong(store: Store, pace: float) -> None:
    """A right password with wrong codes, wrong passwords: every string three times over, then fresh ones."""
    said: dict[str, list[object]] = {}
    for reason in ("wrong-password", "code-wrong"):
        at, states = NOON, said.setdefault(reason, [])
        for mark in [b"%03d" % number for number in (*range(4), *range(4), *range(4), *range(10, 20))]:
            at += pace
            reservation = stakes(mark, pair=reason.encode(), owner=reason.encode(), limit=10)
            question = Question(new_id(), b"nowhere", Questions(4, 1800.0))
            staked = await store.ledger.reserve(replace(reservation, question=question), at)
            await store.ledger.refuse(refused(at=at, reason=reason), staked)
            states.append(staked.state is Reserved.THROTTLED)
    assert said["wrong-password"] == said["code-wrong"]


@pytest.mark.parametrize("state", [Reserved.REPEATED, Reserved.THROTTLED])
async def test_what_was_not_staked_is_not_settled(store: Store, database: Path, state: Reserved) -> None:
    settle: tuple[Callable[[AuditRow, Stake], Awaitable[None]], ...] = (store.ledger.refuse, store.ledger.defer)
    for each in settle:
        await each(refused(), Stake(stakes(), state))
    assert sql(database, "SELECT * FROM throttle_marks") == []
