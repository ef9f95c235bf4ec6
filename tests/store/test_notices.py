"""The outbox on its way out: claimed by one, tried again, given up, never forgotten and never a flood."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.auth.accounts import Account
from mailguard.auth.attempt import Client, Factor, MailProtocol, Reason, Watched
from mailguard.auth.events import Event
from mailguard.auth.notices import SECOND_ADDRESS_WAITS, WEEK, Failing, Notice, NoticeKind, Occasion
from mailguard.auth.ports import AuditRow
from mailguard.keyring import Keyring
from mailguard.store import Store
from mailguard.store.notices import GIVE_UP_SECONDS, KEPT_SECONDS, LONGEST_PAUSE, NOBODY, Letter
from mailguard.store.outbox import NAMES_ITSELF_WITHIN
from mailguard.store.sessions import SessionRow
from tests.store.words import ANN, HOME, OPERATOR, StoppedClock, granted, phone, sql

HOME_MAIL, WORK_MAIL, DESK = "ann@home.example", "ann@work.example", "desk@office.example"


@pytest.fixture
async def told(store: Store, ann: Account, clock: StoppedClock) -> Store:
    """Ann's second address is active, and nothing is due."""
    await store.addresses.add(ANN, HOME_MAIL, actor=OPERATOR)
    await store.notices.shelve("of no interest here")
    clock.at += SECOND_ADDRESS_WAITS
    return store


async def claimed(store: Store, organisation: str = "") -> Letter:
    letter = await store.notices.claim(organisation)
    assert letter is not None
    return letter


async def record(store: Store) -> list[tuple[Event, str]]:
    wanted = (Event.NOTICE_SENT, Event.NOTICE_FAILED, Event.ROW_ALTERED)
    return [(r.row.event, r.row.detail) for r in await store.audit.list() if r.row.event in wanted]


async def test_what_happened_at_once_is_one_letter_to_the_second_address(told: Store) -> None:
    await phone(told)
    await told.devices.reset(ANN, actor=OPERATOR)
    letter = await claimed(told, DESK)
    assert letter.recipients == (HOME_MAIL,)
    assert [notice.kind for notice in letter.notices] == [NoticeKind.FACTOR_ADDED, NoticeKind.FACTORS_RESET]
    assert letter.notices[0].label == "phone"
    assert await told.notices.claim(DESK) is None
    await told.notices.sent(letter, {}, {})
    assert await record(told) == [(Event.NOTICE_SENT, f"factor-added, factors-reset to {HOME_MAIL}")]
    assert await told.notices.claim(DESK) is None


async def test_without_a_second_address_the_organisation_is_told(store: Store, ann: Account) -> None:
    await phone(store)
    assert (await claimed(store, DESK)).recipients == (DESK,)


@pytest.mark.parametrize("organisation", ["", ANN, "Ann@Example.org"])
async def test_the_protected_mailbox_alone_is_nobody(store: Store, ann: Account, organisation: str) -> None:
    await phone(store)
    assert await store.notices.claim(organisation) is None
    assert await record(store) == [(Event.NOTICE_FAILED, f"factor-added {NOBODY}")]


async def test_of_a_bypass_everybody_is_told(told: Store, clock: StoppedClock) -> None:
    await told.ledger.record(AuditRow(Event.CODES_ISSUED, clock.at, account=ANN, detail="bypass for 8 h"))
    assert (await claimed(told, DESK)).recipients == (HOME_MAIL, DESK, ANN)
    await told.ledger.record(AuditRow(Event.CODES_ISSUED, clock.at, account=ANN, detail="10 recovery codes"))
    assert (await claimed(told, DESK)).recipients == (HOME_MAIL,)


async def test_a_letter_that_nobody_took_comes_again_as_the_same_letter(told: Store, clock: StoppedClock) -> None:
    await phone(told)
    first = await claimed(told)
    await told.notices.failed(first, "connection refused")
    assert await told.notices.stuck() == "connection refused"
    clock.at += 30
    await told.devices.reset(ANN, actor=OPERATOR)
    another = await claimed(told)
    assert [notice.kind for notice in another.notices] == [NoticeKind.FACTORS_RESET]
    clock.at += 31
    assert await claimed(told) == first
    clock.at += 119
    again = await told.notices.claim("")
    assert again is not None
    assert again.id == another.id
    clock.at += 1
    assert await claimed(told) == first


async def test_a_process_that_is_killed_after_the_sending_costs_one_letter_a_pause(
    told: Store, clock: StoppedClock
) -> None:
    """What is claimed and never settled, at worst for ever."""
    await phone(told)
    ids, began = [], clock.at
    while clock.at - began < GIVE_UP_SECONDS + 2 * LONGEST_PAUSE:
        if (letter := await told.notices.claim("")) is not None:
            ids.append(letter.id)
        clock.at += 60
    assert len(set(ids)) == 1
    assert len(ids) < 40
    assert await record(told) == [(Event.NOTICE_FAILED, "factor-added no process came to send it in time")]


async def test_it_is_given_up_after_days_and_says_why(told: Store, clock: StoppedClock) -> None:
    await phone(told)
    await told.notices.failed(await claimed(told), "mail store down")
    clock.at += GIVE_UP_SECONDS
    assert await told.notices.claim("") is None
    assert await told.notices.claim("") is None
    assert await record(told) == [(Event.NOTICE_FAILED, "factor-added mail store down")]
    assert await told.notices.stuck() == ""


async def test_whom_it_reached_is_not_told_twice(told: Store, clock: StoppedClock) -> None:
    await told.ledger.record(AuditRow(Event.CODE_USED, clock.at, account=ANN, detail="bypass"))
    letter = await claimed(told, DESK)
    await told.notices.sent(letter, {DESK: "550 no such user"}, {ANN: "450 mailbox busy"})
    clock.at += 60
    again = await claimed(told, DESK)
    assert (again.id, again.recipients) == (letter.id, (ANN,))
    await told.notices.sent(again, {}, {})
    assert await record(told) == [
        (Event.NOTICE_SENT, f"code-used to {HOME_MAIL}"),
        (Event.NOTICE_FAILED, f"code-used {DESK}: 550 no such user; {ANN}: 450 mailbox busy"),
        (Event.NOTICE_SENT, f"code-used to {ANN}"),
    ]


async def test_a_letter_that_every_recipient_refuses_is_over(told: Store, clock: StoppedClock) -> None:
    await phone(told)
    await told.notices.sent(await claimed(told), {HOME_MAIL: "550 no such user"}, {})
    clock.at += WEEK
    assert await told.notices.claim("") is None
    assert await record(told) == [(Event.NOTICE_FAILED, f"factor-added {HOME_MAIL}: 550 no such user")]


async def test_an_address_written_into_the_file_gets_nothing(told: Store, database: Path) -> None:
    sql(database, "UPDATE addresses SET address = 'thief@elsewhere.example'")
    await phone(told)
    assert (await claimed(told, DESK)).recipients == (DESK,)
    assert [event for event, _ in await record(told)] == [Event.ROW_ALTERED]


async def test_an_address_that_was_removed_since_still_hears_of_what_was_before(told: Store) -> None:
    await phone(told)
    await told.addresses.remove(ANN, HOME_MAIL, actor="operator:thief")
    letter = await claimed(told, DESK)
    assert letter.recipients == (HOME_MAIL,)
    assert letter.notices[-1].kind is NoticeKind.ADDRESS_REMOVED


@pytest.mark.parametrize("stays", [True, False])
async def test_who_is_warned_is_told_what_the_program_called_itself_after_its_login(
    told: Store, clock: StoppedClock, stays: bool
) -> None:
    warned = granted(at=clock.at, factor=Factor.PASSWORD, reason=Watched.WARNED.value, detail="from 2027-03-01 on")
    await told.ledger.record(warned)
    session = SessionRow(
        id=warned.session,
        account=ANN,
        protocol=MailProtocol.IMAP,
        address=str(HOME.address),
        port=HOME.port,
        pid=1,
        factor=Factor.PASSWORD,
        credential="",
        device="",
        grant="",
        client="",
        started_at=clock.at,
        seen_at=clock.at,
    )
    await told.sessions.opened([session])
    assert await told.notices.claim(DESK) is None, "it may still give its name"
    await told.sessions.named(session.id, Client("K-9 Mail", "6.8"))
    if not stays:
        end = replace(warned, event=Event.SESSION_ENDED, reason="", client="K-9 Mail 6.8")
        await told.sessions.ended([(session.id, end)])
    clock.at += NAMES_ITSELF_WITHIN[NoticeKind.FACTOR_WANTED]
    letter = await claimed(told, DESK)
    assert [notice.client for notice in letter.notices] == ["K-9 Mail 6.8"]
    await told.notices.failed(letter, "451 later")
    clock.at += LONGEST_PAUSE
    assert await claimed(told, DESK) == letter


async def test_two_processes_never_have_the_same_letter_in_hand(
    told: Store, keys: Keyring, clock: StoppedClock, database: Path
) -> None:
    other = await Store.open(f"sqlite:///{database}", keys, now=clock)
    try:
        await phone(told)
        letters = [await told.notices.claim(""), await other.notices.claim("")]
        assert [letter is None for letter in letters] == [False, True]
    finally:
        await other.close()


async def test_what_a_job_found_is_told_once_a_week_and_comes_back_whole(told: Store, clock: StoppedClock) -> None:
    failing = Failing(Reason.APP_PASSWORD_REVOKED, "192.0.2.7", "imap", 40, clock.at, client="K-9", label="old phone")
    why = Occasion(NoticeKind.DEVICE_FAILING, pause=WEEK)
    notice = Notice(NoticeKind.DEVICE_FAILING, ANN, clock.at, failing=(failing,))
    assert [await told.notices.tell(why, notice) for _ in range(2)] == [True, False]
    assert (await claimed(told)).notices == (notice,)


async def test_what_was_told_is_kept_as_long_as_it_must_not_be_told_again(
    told: Store, clock: StoppedClock, database: Path
) -> None:
    await phone(told)
    await told.notices.sent(await claimed(told), {}, {})
    clock.at += KEPT_SECONDS - 1
    await told.purge()
    assert sql(database, "SELECT count(*) FROM notices WHERE kind = 'factor-added'") == [(1,)]
    clock.at += 2
    await told.purge()
    assert sql(database, "SELECT count(*) FROM notices") == [(0,)]
