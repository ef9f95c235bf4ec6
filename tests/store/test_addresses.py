"""Second addresses: who is told, and from when on."""

from pathlib import Path

import pytest

from mailguard.auth.accounts import Account
from mailguard.auth.events import Event
from mailguard.auth.notices import SECOND_ADDRESS_WAITS
from mailguard.store import ChangeRefused, Store
from mailguard.store.addresses import MOST
from tests.store.words import ANN, BOB, NOON, OPERATOR, StoppedClock, sql

HOME_MAIL, WORK_MAIL = "ann@home.example", "ann@work.example"


async def test_a_new_one_waits_three_days_the_first_too(store: Store, ann: Account) -> None:
    added = await store.addresses.add(ANN, HOME_MAIL, actor=OPERATOR)
    assert (added.account_id, added.active_at) == (ann.id, NOON + SECOND_ADDRESS_WAITS)
    assert SECOND_ADDRESS_WAITS == 72 * 3600
    assert await store.addresses.list(ANN) == (added,)
    last = (await store.audit.list())[-1].row
    assert (last.event, last.account, last.actor, last.detail) == (Event.ADDRESS_ADDED, ANN, OPERATOR, HOME_MAIL)


async def test_one_address_is_added_once_and_there_are_few(store: Store, ann: Account) -> None:
    for number in range(MOST):
        await store.addresses.add(ANN, f"ann{number}@home.example", actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="already"):
        await store.addresses.add(ANN, "Ann0@Home.example", actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="remove one first"):
        await store.addresses.add(ANN, WORK_MAIL, actor=OPERATOR)


@pytest.mark.parametrize("address", ["", "ann", "ann@", "a nn@home.example", "änn@home.example", "a@b\r\nTo: c@d",
                                     "a..b@home.example", ".a@home.example", "=?utf-8?q?x?=@home.example"])  # fmt: skip
async def test_what_is_no_address_is_refused(store: Store, ann: Account, address: str) -> None:
    with pytest.raises(ChangeRefused, match="no mail address"):
        await store.addresses.add(ANN, address, actor=OPERATOR)


async def test_the_mailbox_itself_is_no_second_address(store: Store, ann: Account) -> None:
    with pytest.raises(ChangeRefused, match="a thief reads first"):
        await store.addresses.add(ANN, "Ann@Example.org", actor=OPERATOR)


async def test_removal_takes_one_and_is_recorded(store: Store, ann: Account) -> None:
    for address in (HOME_MAIL, WORK_MAIL):
        await store.addresses.add(ANN, address, actor=OPERATOR)
    await store.addresses.remove(ANN, "ANN@home.example", actor=OPERATOR)
    assert [each.address for each in await store.addresses.list(ANN)] == [WORK_MAIL]
    assert (await store.audit.list())[-1].row.event is Event.ADDRESS_REMOVED
    with pytest.raises(ChangeRefused, match="account show"):
        await store.addresses.remove(ANN, HOME_MAIL, actor=OPERATOR)


@pytest.mark.parametrize("verb", ["add", "remove"])
async def test_an_unknown_account_is_refused(store: Store, verb: str) -> None:
    with pytest.raises(ChangeRefused, match="mailguard account list"):
        await getattr(store.addresses, verb)(BOB, HOME_MAIL, actor=OPERATOR)


@pytest.mark.parametrize("change", ["address = 'thief@elsewhere.example'", "active_at = 0", "added_by = 'ann'"])
async def test_an_altered_row_counts_for_nothing(store: Store, ann: Account, database: Path, change: str) -> None:
    await store.addresses.add(ANN, HOME_MAIL, actor=OPERATOR)
    sql(database, f"UPDATE addresses SET {change}")
    assert await store.addresses.list(ANN) == ()


async def test_they_go_with_their_account(store: Store, ann: Account, clock: StoppedClock, database: Path) -> None:
    await store.addresses.add(ANN, HOME_MAIL, actor=OPERATOR)
    await store.accounts.remove(ANN, actor=OPERATOR)
    assert sql(database, "SELECT count(*) FROM addresses") == [(0,)]
