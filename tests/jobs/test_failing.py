"""A device that keeps failing is found in the record and named once a week."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.auth.accounts import Account
from mailguard.auth.attempt import MailProtocol, Origin
from mailguard.auth.events import Event
from mailguard.auth.notices import Failing, Notice
from mailguard.auth.ports import AuditRow
from mailguard.jobs.failing import MOST_IN_ONE, ROUND_SECONDS, FailingDevices
from mailguard.keyring import Keyring
from mailguard.store import Store, refusals
from tests.store.words import ANN, ELSEWHERE, HOME, NOON, StoppedClock, app_password, refused

HOUR, DAY = 3600.0, 24 * 3600.0


def job(store: Store, clock: StoppedClock) -> FailingDevices:
    return FailingDevices(store.notices, store.probes, clock)


async def tries(store: Store, clock: StoppedClock, row: AuditRow, *, hours: float, every: float = 1200.0) -> None:
    """What a mail program does that nobody looks at."""
    end = clock.at + hours * HOUR
    while clock.at < end:
        await store.ledger.refuse(replace(row, at=clock.at), None)
        clock.at += every


async def told(store: Store) -> Notice | None:
    """What the owner is told of failing devices; other letters are taken away first."""
    while (letter := await store.notices.claim("desk@office.example")) is not None:
        await store.notices.sent(letter, {}, {})
        for notice in letter.notices:
            if notice.failing:
                return notice
    return None


async def test_a_phone_with_a_revoked_app_password_is_named_with_its_program(
    store: Store, keys: Keyring, ann: Account, clock: StoppedClock
) -> None:
    password = await app_password(store, keys, ann, label="old phone")
    spoke = AuditRow(
        Event.SESSION_ENDED, NOON, account=ANN, origin=HOME, protocol=MailProtocol.IMAP, client="K-9 Mail 6.8"
    )
    await store.ledger.record(spoke)
    row = replace(refused(reason="app-password-revoked"), credential=password.id)
    await tries(store, clock, row, hours=8)
    assert await job(store, clock).find() == 1
    notice = await told(store)
    assert notice is not None
    assert notice.failing == (
        Failing(row.reason, "192.0.2.7", "imap", 24, clock.at - 1200, client="K-9 Mail 6.8", label="old phone"),  # type: ignore[arg-type]
    )


async def test_it_is_told_once_a_week_while_it_goes_on(store: Store, ann: Account, clock: StoppedClock) -> None:
    letters = 0
    for _ in range(15):
        await tries(store, clock, refused(reason="wrong-repeated"), hours=24, every=1800)
        letters += await job(store, clock).find()
    assert letters == 3


async def test_a_slip_of_the_finger_is_no_letter(store: Store, ann: Account, clock: StoppedClock) -> None:
    await tries(store, clock, refused(), hours=0.9, every=20)
    await tries(store, clock, refused(reason="code-missing", origin=ELSEWHERE), hours=8, every=HOUR)
    assert await job(store, clock).find() == 0


async def test_what_was_counted_away_in_a_flood_counts_here(store: Store, ann: Account, clock: StoppedClock) -> None:
    await tries(store, clock, refused(), hours=2, every=0.9 * HOUR)
    for _ in range(70):
        await store.ledger.refuse(refused(at=clock.at), None)
    await job(store, clock).find()
    notice = await told(store)
    assert notice is not None
    assert notice.failing[0].times == 73


async def test_names_that_have_no_account_are_nobodys(store: Store, clock: StoppedClock) -> None:
    await tries(store, clock, refused("made-up@example.org"), hours=8)
    assert await job(store, clock).find() == 0


async def test_many_addresses_are_a_short_letter(store: Store, ann: Account, clock: StoppedClock) -> None:
    for number in range(MOST_IN_ONE + 5):
        began = clock.at
        await tries(store, clock, refused(origin=Origin.of(f"2001:db8:0:{number:x}::1", 1)), hours=4)
        clock.at = began
    clock.at += 4 * HOUR
    await job(store, clock).find()
    notice = await told(store)
    assert notice is not None
    assert len(notice.failing) == MOST_IN_ONE


async def test_the_record_is_read_in_pieces_and_no_further_back_than_a_day(
    store: Store,
    ann: Account,
    clock: StoppedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "PIECE", 7)
    await tries(store, clock, refused(), hours=24)
    clock.at += DAY - 8 * HOUR
    await tries(store, clock, refused(), hours=4)
    (found,) = await store.notices.refused_since(clock.at - DAY)
    assert found.times == 24
    assert found.since >= clock.at - DAY


async def test_what_shares_a_row_counts_before_and_after_that_row_is_written(
    store: Store, ann: Account, clock: StoppedClock
) -> None:
    stale = replace(refused(reason="wrong-repeated"), daily=True)
    await tries(store, clock, stale, hours=8)
    (before,) = await store.notices.refused_since(clock.at - DAY)
    clock.at += 0.6 * DAY
    assert await store.sealer.seal()
    (after,) = await store.notices.refused_since(clock.at - DAY)
    assert (before.times, after.times) == (24, 24)


async def test_one_process_looks_an_hour(
    store: Store, ann: Account, clock: StoppedClock, keys: Keyring, database: Path
) -> None:
    other = await Store.open(f"sqlite:///{database}", keys, now=clock)
    try:
        await job(store, clock).look()
        await tries(store, clock, refused(), hours=0.9, every=10)
        await tries(store, clock, refused(), hours=0.09, every=10)
        await job(other, clock).look()
        assert await told(store) is None
        clock.at = NOON + ROUND_SECONDS + 1
        await store.ledger.refuse(refused(at=clock.at), None)
        await job(other, clock).look()
        assert await told(store) is not None
    finally:
        await other.close()
