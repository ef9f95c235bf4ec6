from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.auth.accounts import Account
from mailguard.auth.events import Event
from mailguard.auth.ports import Reserved
from mailguard.auth.roles import Role, RoleLimit
from mailguard.auth.throttle import owner_key
from mailguard.keyring import Keyring
from mailguard.store import ChangeRefused, Store
from mailguard.store.revocations import Kind
from tests.store.words import (
    ANN,
    BOB,
    HOME,
    NOON,
    OPERATOR,
    OTHER_SEED,
    admitted,
    app_password,
    bare,
    by_code,
    phone,
    refused,
    sql,
    stakes,
)


async def events(store: Store) -> list[tuple[Event, str, str]]:
    return [(r.row.event, r.row.account, r.row.actor) for r in await store.audit.list()]


async def test_an_added_account_is_found_and_recorded_with_its_actor(store: Store) -> None:
    added = await store.accounts.add(ANN, actor=OPERATOR, group="staff", role=Role.OWNER)
    assert await store.accounts.get(ANN) == added
    assert added == Account(added.id, ANN, group="staff", role=Role.OWNER, created_at=NOON)
    assert (await events(store))[-1] == (Event.ACCOUNT_ADDED, ANN, OPERATOR)


async def test_a_second_account_of_one_name_is_refused_and_leaves_no_row(store: Store, ann: Account) -> None:
    before = await events(store)
    with pytest.raises(ChangeRefused, match="already"):
        await store.accounts.add(ANN, actor=OPERATOR)
    assert await events(store) == before


async def test_accounts_are_listed_by_name(store: Store, ann: Account) -> None:
    bob = await store.accounts.add(BOB, actor=OPERATOR)
    assert await store.accounts.list() == (ann, bob)


async def test_a_change_touches_only_what_it_names(store: Store, ann: Account) -> None:
    await store.accounts.change(ANN, actor=OPERATOR, role=Role.OWNER)
    changed = await store.accounts.change(ANN, actor=OPERATOR, group="staff")
    assert (changed.group, changed.role) == ("staff", Role.OWNER)
    assert await store.accounts.get(ANN) == changed
    assert (await store.audit.list())[-1].row.detail == "group=- role=owner -> group=staff role=owner"


async def test_suspending_revokes_in_the_same_commit_and_ends_grants(store: Store, keys: Keyring, ann: Account) -> None:
    device = await phone(store)
    entry = by_code(keys, device, 101)
    admitted(await store.ledger.admit(entry))
    assert entry.winning is not None
    assert (await store.ledger.facts(ANN, [], [entry.winning.string], NOON)).grant is not None
    await store.accounts.suspend(ANN, actor=OPERATOR)
    facts = await store.ledger.facts(ANN, [], [entry.winning.string], NOON)
    assert facts.account is not None
    assert facts.account.suspended
    assert facts.grant is None
    assert [(r.kind, r.target) for r in await store.revocations.after(1)] == [(Kind.ACCOUNT, ann.id)]
    await store.accounts.resume(ANN, actor=OPERATOR)
    assert await store.accounts.get(ANN) == ann


async def test_removing_takes_the_credentials_and_leaves_the_record(
    store: Store, keys: Keyring, ann: Account, database: Path
) -> None:
    await phone(store)
    await app_password(store, keys, ann)
    await store.accounts.remove(ANN, actor=OPERATOR)
    assert await store.accounts.get(ANN) is None
    for table in ("totp_devices", "app_passwords", "grants"):
        assert sql(database, f"SELECT count(*) FROM {table}") == [(0,)]
    assert [(r.kind, r.target) for r in await store.revocations.after(1)] == [(Kind.ACCOUNT, ann.id)]
    assert (Event.APP_PASSWORD_ISSUED, ANN, OPERATOR) in await events(store)


@pytest.mark.parametrize("verb", ["suspend", "resume", "remove", "change"])
async def test_an_unknown_account_is_refused_with_a_remedy(store: Store, verb: str) -> None:
    with pytest.raises(ChangeRefused, match="mailguard account list"):
        await getattr(store.accounts, verb)(ANN, actor=OPERATOR)


async def test_unlock_forgets_the_wrong_secrets_of_one_name_only(store: Store, keys: Keyring) -> None:
    """The name need not be an account's: unknown names fill buckets too."""
    for name, pair in ((ANN, b"ann"), (BOB, b"bob")):
        for mark in (b"one", b"two", b"tri"):
            wrong = stakes(mark, pair=pair, owner=owner_key(keys, name))
            await store.ledger.refuse(refused(), await store.ledger.reserve(wrong, NOON))
    await store.accounts.unlock(ANN, actor=OPERATOR)
    fresh = [
        (await store.ledger.reserve(stakes(b"new", pair=pair, owner=owner_key(keys, name)), NOON)).state
        for name, pair in ((ANN, b"ann"), (BOB, b"bob"))
    ]
    assert fresh == [Reserved.NEW, Reserved.THROTTLED]
    assert (await events(store))[-1] == (Event.ACCOUNT_UNLOCKED, ANN, OPERATOR)


@pytest.mark.parametrize("change", ["resume", "confirm", "remove", "reset"])
async def test_what_changes_the_right_secret_forgets_the_wrong_ones(
    store: Store, keys: Keyring, ann: Account, change: str
) -> None:
    """Else the right one, tried a minute too early, is refused unasked for a quarter of an hour."""
    device = await phone(store)
    fresh = await store.devices.enrol(ANN, "tablet", OTHER_SEED, actor=OPERATOR)
    early = stakes(owner=owner_key(keys, ANN))
    await store.ledger.refuse(refused(), await store.ledger.reserve(early, NOON))
    assert (await store.ledger.reserve(early, NOON)).state is Reserved.REPEATED
    match change:
        case "resume":
            await store.accounts.resume(ANN, actor=OPERATOR)
        case "confirm":
            await store.devices.confirm(fresh.id, 7, actor=OPERATOR)
        case "remove":
            await store.devices.remove(ANN, device.id, actor=OPERATOR)
        case _:
            await store.devices.reset(ANN, actor=OPERATOR)
    assert (await store.ledger.reserve(early, NOON)).state is Reserved.NEW


@pytest.mark.parametrize(
    "column", ["suspended_by", "role", "role_limit", "factor_required", "policy_group", "name", "kind"]
)
async def test_an_account_row_altered_in_the_file_reads_as_suspended(
    store: Store, ann: Account, database: Path, column: str
) -> None:
    values = {"policy_group": "staff", "name": BOB, "kind": "service", "role": "owner", "role_limit": "group:x"}
    sql(database, f"UPDATE accounts SET {column} = ?", values.get(column, 1))
    name = BOB if column == "name" else ANN
    account = (await store.ledger.facts(name, [], [], NOON)).account
    assert account is not None
    assert (account.suspended, account.administrator, account.factor_required) == (True, False, True)
    last = (await store.audit.list())[-1].row
    assert (last.event, last.account, last.credential) == (Event.ROW_ALTERED, name, ann.id)


async def test_a_suspension_taken_out_of_the_file_does_not_count(store: Store, ann: Account, database: Path) -> None:
    await store.accounts.suspend(ANN, actor=OPERATOR)
    sql(database, "UPDATE accounts SET suspended_by = ''")
    account = (await store.ledger.facts(ANN, [], [], NOON)).account
    assert account is not None
    assert account.suspended


async def test_the_first_right_password_makes_the_account_in_the_commit_of_the_login(store: Store) -> None:
    admission = admitted(await store.ledger.admit(bare(None)))
    account = await store.accounts.get(ANN)
    assert account is not None
    assert admission.account_id == account.id
    assert [e for e, _, _ in await events(store)][-2:] == [Event.ACCOUNT_ADDED, Event.LOGIN_GRANTED]
    assert (await store.audit.list())[-1].row.origin == HOME


async def test_another_standing_ends_what_the_password_opened_and_the_same_one_nothing(
    store: Store, ann: Account
) -> None:
    await store.accounts.change(ANN, actor=OPERATOR, group=ann.group)
    assert await store.revocations.after(0) == []
    await store.accounts.change(ANN, actor=OPERATOR, group="staff")
    await store.accounts.change(ANN, actor=OPERATOR, role=Role.OWNER)
    assert [(r.kind, r.target) for r in await store.revocations.after(0)] == [(Kind.STANDING, ann.id)] * 2


async def test_a_limit_goes_with_its_role(store: Store, ann: Account) -> None:
    staff = RoleLimit.parse("group:staff")
    with pytest.raises(ChangeRefused, match="say --role as well"):
        await store.accounts.change(ANN, actor=OPERATOR, role_limit=staff)
    limited = await store.accounts.change(ANN, actor=OPERATOR, role=Role.HELPDESK, role_limit=staff)
    assert (await store.audit.list())[-1].row.detail == "group=- role=- -> group=- role=helpdesk limit=group:staff"
    assert await store.accounts.change(ANN, actor=OPERATOR, role=Role.AUDITOR) == replace(limited, role=Role.AUDITOR)
    assert await store.accounts.change(ANN, actor=OPERATOR, role=Role.NONE) == ann
    with pytest.raises(ChangeRefused, match="say --role as well"):
        await store.accounts.add(BOB, actor=OPERATOR, role_limit=staff)
