from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.auth.accounts import Account
from mailguard.auth.attempt import Factor, MailProtocol, Origin
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.keyring import Keyring
from mailguard.store import Store, repeats
from mailguard.store import audit as record
from mailguard.store.audit import MADE_UP, MADE_UP_OF_NETWORK, RATES, Recorded
from tests.store.words import (
    ANN,
    BOB,
    ELSEWHERE,
    NOON,
    StoppedClock,
    admitted,
    app_password,
    by_app_password,
    granted,
    refused,
    traced,
)


async def refusals(store: Store) -> list[Recorded]:
    return [r for r in await store.audit.list() if r.row.event is Event.LOGIN_REFUSED]


FULL = AuditRow(
    event=Event.LOGIN_GRANTED,
    at=NOON + 0.25,
    account=ANN,
    actor="operator:root",
    origin=Origin.of("2001:db8::7", 993),
    protocol=MailProtocol.SUBMISSION,
    mechanism="PLAIN",
    factor=Factor.GRANT,
    credential="c",
    session="mg-1",
    reason="r",
    client="mutt",
    detail='quotes " and \u2028 and \x00',
)


async def test_a_row_comes_back_as_it_was_written(store: Store) -> None:
    for row in (FULL, AuditRow(Event.STORE_BACKED_UP, NOON)):
        await store.ledger.record(row)
        assert (await store.audit.list())[-1].row == row


async def test_a_new_store_records_its_making(store: Store) -> None:
    (made,) = await store.audit.list()
    assert (made.row.event, made.row.at, made.row.actor) == (Event.STORE_CREATED, NOON, "system")


async def test_the_newest_rows_are_chosen_and_given_oldest_first(store: Store) -> None:
    for at, name in ((1.0, ANN), (2.0, BOB), (3.0, ANN), (4.0, ANN)):
        await store.ledger.record(granted(name, NOON + at))
    times = [r.row.at - NOON for r in await store.audit.list(account=ANN, limit=2)]
    assert times == [3.0, 4.0]
    assert [r.row.at - NOON for r in await store.audit.list(since=NOON + 2)] == [2.0, 3.0, 4.0]
    assert await store.audit.newest() == NOON + 4


async def test_a_flood_of_like_refusals_shares_a_row(store: Store, clock: StoppedClock) -> None:
    rate = RATES[Event.LOGIN_REFUSED]
    for number in range(rate + 25):
        await store.ledger.refuse(refused(at=NOON + number / 10), None)
    assert len(await refusals(store)) == rate
    clock.at += 59
    await store.sealer.seal()
    assert len(await refusals(store)) == rate, "the minute is not over"
    clock.at += 1
    await store.sealer.seal()
    rows = await refusals(store)
    assert [r.repeats for r in rows] == [0] * rate + [24]
    assert (rows[-1].row.at, rows[-1].last_at) == (NOON + rate / 10, NOON + (rate + 24) / 10)
    assert await store.audit.newest() == rows[-1].last_at
    assert not await store.sealer.due()


async def test_a_row_of_many_tells_all_about_the_first(store: Store, clock: StoppedClock) -> None:
    full = replace(FULL, event=Event.LOGIN_REFUSED)
    for number in range(RATES[Event.LOGIN_REFUSED] + 3):
        await store.ledger.record(replace(full, at=NOON + number / 10, detail=str(number)))
    clock.at += 60
    await store.sealer.seal()
    (last,) = (r for r in await store.audit.list() if r.repeats)
    assert last.row == replace(full, at=NOON + 6.0, detail="60")


async def test_what_waited_for_its_row_is_not_lost_with_the_process(
    store: Store, database: Path, keys: Keyring, clock: StoppedClock
) -> None:
    for _ in range(RATES[Event.LOGIN_REFUSED] + 2):
        await store.ledger.refuse(refused(), None)
    await store.close()
    clock.at += 3600
    again = await Store.open(f"sqlite:///{database}", keys, now=clock)
    assert await again.sealer.due()
    await again.sealer.seal()
    assert [r.repeats for r in await refusals(again)][-1] == 1
    await again.close()


async def test_a_flood_before_the_clock_was_set_back_is_still_told_of(store: Store, clock: StoppedClock) -> None:
    for _ in range(RATES[Event.LOGIN_REFUSED] + 2):
        await store.ledger.refuse(refused(at=NOON + 1e6), None)
    assert await store.sealer.due()
    await store.sealer.seal()
    assert [r.repeats for r in await refusals(store)][-1] == 1


async def test_a_flood_of_made_up_names_shares_rows_too(store: Store, clock: StoppedClock) -> None:
    for number in range(MADE_UP_OF_NETWORK + 40):
        await store.ledger.refuse(refused(f"u{number}@example.org", NOON + number / 10), None)
    clock.at += 60
    await store.sealer.seal()
    assert [r.repeats for r in await refusals(store)] == [0] * MADE_UP_OF_NETWORK + [39]
    await store.ledger.refuse(refused("u1@example.org", NOON + 80), None)
    assert (await store.audit.list(limit=1))[0].row.at == NOON + 80


async def test_a_flood_of_made_up_names_from_everywhere_is_counted_too(store: Store) -> None:
    for number in range(MADE_UP + 10):
        origin = Origin.of(f"2001:db8:0:{number:x}::1", 40000)
        await store.ledger.refuse(refused(f"u{number}@example.org", NOON + number / 100, origin), None)
    assert len([r for r in await store.audit.list() if r.row.event is Event.LOGIN_REFUSED]) == MADE_UP


async def test_a_patient_flood_of_made_up_names_shares_a_row_a_day(
    store: Store, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch, ann: Account
) -> None:
    monkeypatch.setattr(record, "MADE_UP_OF_DAY", 3)
    for number in range(8):
        await store.ledger.refuse(refused(f"u{number}@example.org", NOON + number * 600), None)
        await store.ledger.refuse(refused(ANN, NOON + number * 600), None)
    clock.at += repeats.DAY
    await store.sealer.seal()
    made_up = [r for r in await refusals(store) if r.row.account != ANN]
    assert [(r.row.account, r.repeats) for r in made_up] == [
        ("u0@example.org", 0),
        ("u1@example.org", 0),
        ("u2@example.org", 0),
        ("u3@example.org", 4),
    ]
    assert len(await refusals(store)) == len(made_up) + 8, "an account's own rows stay"


async def test_a_thousand_networks_at_one_account_share_a_row_a_day(
    store: Store, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch, ann: Account
) -> None:
    monkeypatch.setattr(record, "OF_ACCOUNT_A_DAY", 3)
    for number in range(8):
        elsewhere = Origin.of(f"198.51.100.{number}", 1)
        await store.ledger.refuse(refused(ANN, NOON + number, elsewhere), None)
    await store.ledger.refuse(refused(ANN, NOON, reason="code-wrong"), None)
    clock.at += repeats.DAY
    await store.sealer.seal()
    assert [(r.row.reason, r.repeats) for r in await refusals(store)] == [
        *[("wrong-password", 0)] * 3,
        ("code-wrong", 0),
        ("wrong-password", 4),
    ]


async def test_what_is_tried_at_an_account_is_not_lost_among_made_up_names(store: Store, ann: Account) -> None:
    for number in range(MADE_UP_OF_NETWORK + 40):
        await store.ledger.refuse(refused(f"u{number}@example.org"), None)
    await store.ledger.refuse(refused(), None)
    assert (await store.audit.list(limit=1))[0].row == refused()


async def test_what_differs_gets_its_own_row_in_a_flood(store: Store) -> None:
    for _ in range(RATES[Event.LOGIN_REFUSED] + 1):
        await store.ledger.refuse(refused(), None)
    different = [refused(BOB), refused(origin=ELSEWHERE), refused(reason="code-wrong"), refused(at=NOON + 61)]
    for row in different:
        await store.ledger.refuse(row, None)
    assert [r.row for r in await store.audit.list()][-4:] == different


def of_device(at: float, event: Event = Event.LOGIN_GRANTED) -> AuditRow:
    return replace(granted(at=at, factor=Factor.APP_PASSWORD, credential="printer"), event=event, daily=True)


@pytest.mark.parametrize("daily", [False, True])
async def test_a_granted_login_costs_one_statement_here(
    store: Store, keys: Keyring, ann: Account, database: Path, daily: bool
) -> None:
    entry = by_app_password(await app_password(store, keys, ann))
    entry = replace(entry, audit=replace(entry.audit, daily=daily))
    admitted(await store.ledger.admit(entry))
    async with traced(store) as statements:
        admitted(await store.ledger.admit(entry))
    assert [s.split()[2] for s in statements if "audit" in s] == ["audit_repeats" if daily else "audit"]


async def test_by_the_day_a_device_has_two_rows_whatever_it_does(store: Store, clock: StoppedClock) -> None:
    for hour in range(12):
        for event in (Event.LOGIN_GRANTED, Event.SESSION_ENDED):
            await store.ledger.record(of_device(NOON + 3600 * hour, event))
    assert [r.row.at for r in await store.audit.list() if r.row.credential] == [NOON, NOON]
    await store.ledger.record(of_device(NOON + 12 * 3600))  # midnight, in UTC
    clock.at += 12 * 3600
    await store.sealer.seal()
    rows = [r for r in await store.audit.list() if r.row.event is Event.LOGIN_GRANTED]
    assert [(r.row.at - NOON, r.repeats, r.last_at - NOON) for r in rows] == [
        (0, 0, 0),
        (12 * 3600, 0, 12 * 3600),
        (3600, 10, 11 * 3600),
    ]
    clock.at += 24 * 3600
    await store.sealer.seal()
    assert len([r for r in await store.audit.list() if r.row.event is Event.LOGIN_GRANTED]) == 3


async def test_what_succeeds_always_gets_its_own_row(store: Store) -> None:
    for _ in range(100):
        await store.ledger.record(granted())
    assert sum(r.row.event is Event.LOGIN_GRANTED for r in await store.audit.list()) == 100
