from mailguard.auth.accounts import Account
from mailguard.auth.attempt import Factor, MailProtocol, Origin
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import Store
from mailguard.store.audit import MADE_UP, MADE_UP_OF_NETWORK, RATES
from tests.store.words import ANN, BOB, ELSEWHERE, NOON, granted, refused

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


async def test_a_flood_of_like_refusals_is_counted_in_one_row(store: Store) -> None:
    rate = RATES[Event.LOGIN_REFUSED]
    for number in range(rate + 25):
        await store.ledger.refuse(refused(at=NOON + number / 10), None)
    rows = [r for r in await store.audit.list() if r.row.event is Event.LOGIN_REFUSED]
    assert len(rows) == rate
    assert [r.repeats for r in rows] == [0] * (rate - 1) + [25]
    assert rows[-1].last_at == NOON + (rate + 24) / 10
    assert await store.audit.newest() == rows[-1].last_at


async def test_a_flood_of_made_up_names_is_counted_too(store: Store) -> None:
    for number in range(MADE_UP_OF_NETWORK + 40):
        await store.ledger.refuse(refused(f"u{number}@example.org", NOON + number / 10), None)
    rows = [r for r in await store.audit.list() if r.row.event is Event.LOGIN_REFUSED]
    assert [r.repeats for r in rows] == [0] * (MADE_UP_OF_NETWORK - 1) + [40]
    await store.ledger.refuse(refused("u1@example.org", NOON + 80), None)
    assert (await store.audit.list(limit=1))[0].row.at == NOON + 80


async def test_a_flood_of_made_up_names_from_everywhere_is_counted_too(store: Store) -> None:
    for number in range(MADE_UP + 10):
        origin = Origin.of(f"2001:db8:0:{number:x}::1", 40000)
        await store.ledger.refuse(refused(f"u{number}@example.org", NOON + number / 100, origin), None)
    assert len([r for r in await store.audit.list() if r.row.event is Event.LOGIN_REFUSED]) == MADE_UP


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


async def test_what_succeeds_always_gets_its_own_row(store: Store) -> None:
    for _ in range(100):
        await store.ledger.record(granted())
    assert sum(r.row.event is Event.LOGIN_GRANTED for r in await store.audit.list()) == 100
