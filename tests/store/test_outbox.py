"""An event and the letter about it commit together, and what repeats is told seldom."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from mailguard.auth.accounts import Account
from mailguard.auth.attempt import Factor, Origin
from mailguard.auth.events import Event
from mailguard.auth.notices import SECOND_ADDRESS_WAITS, WEEK, NoticeKind
from mailguard.auth.ports import AuditRow
from mailguard.keyring import Keyring
from mailguard.store import Store, audit
from mailguard.store.outbox import MOST_A_DAY
from tests.store.words import (
    ANN,
    BOB,
    ELSEWHERE,
    HOME,
    NOON,
    OPERATOR,
    StoppedClock,
    admitted,
    app_password,
    by_app_password,
    granted,
    phone,
    refused,
    sql,
    traced,
)

HOME_MAIL, WORK_MAIL = "ann@home.example", "ann@work.example"


def put_down(database: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Kind, recipients and facts of every notice, in order."""
    rows = sql(database, "SELECT kind, recipients, facts FROM notices ORDER BY rowid")
    return [(str(kind), str(recipients), json.loads(str(facts))) for kind, recipients, facts in rows]


async def test_a_new_authenticator_is_told_to_the_active_addresses_alone(
    store: Store, ann: Account, clock: StoppedClock, database: Path
) -> None:
    await store.addresses.add(ANN, HOME_MAIL, actor=OPERATOR)
    clock.at += SECOND_ADDRESS_WAITS
    await store.addresses.add(ANN, WORK_MAIL, actor="operator:thief")
    await phone(store)
    assert put_down(database) == [
        ("address-added", "", {"actor": OPERATOR, "detail": HOME_MAIL}),
        ("address-added", HOME_MAIL, {"actor": "operator:thief", "detail": WORK_MAIL}),
        ("factor-added", HOME_MAIL, {"actor": OPERATOR, "label": "phone"}),
    ]


async def test_an_address_hears_that_it_was_removed_and_an_owner_that_the_account_was(
    store: Store, ann: Account, clock: StoppedClock, database: Path
) -> None:
    for address in (HOME_MAIL, WORK_MAIL):
        await store.addresses.add(ANN, address, actor=OPERATOR)
    clock.at += SECOND_ADDRESS_WAITS
    await store.addresses.remove(ANN, HOME_MAIL, actor=OPERATOR)
    await store.accounts.remove(ANN, actor=OPERATOR)
    told = [(kind, recipients.split()) for kind, recipients, _ in put_down(database)][2:]
    assert [(kind, sorted(recipients)) for kind, recipients in told] == [
        ("address-removed", [HOME_MAIL, WORK_MAIL]),
        ("account-removed", [WORK_MAIL]),
    ]


async def test_the_person_behind_a_shared_mailbox_is_told_too(
    store: Store, ann: Account, clock: StoppedClock, database: Path
) -> None:
    await store.accounts.add(BOB, actor=OPERATOR)
    await store.addresses.add(ANN, HOME_MAIL, actor=OPERATOR)
    await store.addresses.add(BOB, "bob@home.example", actor=OPERATOR)
    clock.at += SECOND_ADDRESS_WAITS
    await store.ledger.record(AuditRow(Event.APP_PASSWORD_ISSUED, clock.at, account=ANN, person=BOB))
    assert sorted(put_down(database)[-1][1].split()) == [HOME_MAIL, "bob@home.example"]


async def test_an_event_that_is_undone_leaves_no_letter(store: Store, ann: Account, database: Path) -> None:
    def work(connection: Connection) -> None:
        audit.append(connection, AuditRow(Event.FACTORS_RESET, NOON, account=ANN))
        raise LookupError

    with pytest.raises(LookupError):
        await store._database.write(work)
    assert put_down(database) == []


async def test_the_first_use_of_an_app_password_is_told_once(
    store: Store, keys: Keyring, ann: Account, database: Path
) -> None:
    row = await app_password(store, keys, ann)
    for _ in range(2):  # two connections whose facts both saw it unused
        admitted(await store.ledger.admit(replace(by_app_password(row), first_use=True)))
    admitted(await store.ledger.admit(by_app_password(row)))
    assert [each for each in put_down(database) if each[0] == "app-password-first-used"] == [
        ("app-password-first-used", "", {"address": str(HOME.address), "protocol": "imap", "label": "laptop"})
    ]
    events = [recorded.row for recorded in await store.audit.list()]
    (first,) = [event for event in events if event.event is Event.APP_PASSWORD_FIRST_USED]
    assert (first.credential, first.origin, first.factor) == (row.id, HOME, Factor.APP_PASSWORD)


async def test_a_replay_is_told_once_a_grant_and_network_however_often_it_comes(
    store: Store, ann: Account, database: Path
) -> None:
    replay = replace(refused(reason="replay", origin=ELSEWHERE), credential="grant")
    for number in range(100):
        await store.ledger.refuse(replace(replay, at=NOON + number), None)
    await store.ledger.refuse(replace(replay, at=NOON + 400 * 86400), None)
    assert [kind for kind, _, _ in put_down(database)] == ["replay"]
    await store.ledger.refuse(replace(replay, origin=HOME), None)
    await store.ledger.refuse(replace(replay, credential="another"), None)
    assert len(put_down(database)) == 3


async def test_a_replay_from_everywhere_is_no_flood_of_letters(store: Store, ann: Account, database: Path) -> None:
    for number in range(50):
        origin = Origin.of(f"2001:db8:0:{number:x}::1", 40000)
        await store.ledger.refuse(replace(refused(reason="replay", origin=origin), credential="grant"), None)
    assert len(put_down(database)) == MOST_A_DAY[NoticeKind.REPLAY]


async def test_a_vault_that_the_store_refuses_is_told_once_a_week(store: Store, ann: Account, database: Path) -> None:
    for day in range(8):
        await store.ledger.record(AuditRow(Event.VAULT_REFUSED, NOON + day * 86400, account=ANN, credential=f"a{day}"))
    assert WEEK == 7 * 86400
    assert len(put_down(database)) == 2


async def test_an_ordinary_login_costs_no_statement(store: Store, ann: Account) -> None:
    for row in (granted(), AuditRow(Event.SESSION_ENDED, NOON, account=ANN)):
        async with traced(store) as statements:
            await store.ledger.record(row)
        assert [s.split()[0] for s in statements] == ["BEGIN", "SAVEPOINT", "INSERT", "COMMIT"]
