"""The moment a login is committed (auth.ports.Ledger)."""

from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.auth.accounts import Account, KeyedHash
from mailguard.auth.attempt import Factor
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow, Entry, Lost, Permit, Reserved
from mailguard.auth.roles import Role
from mailguard.keyring import Keyring, Purpose
from mailguard.store import Store
from tests.store.words import (
    ANN,
    BOB,
    ELSEWHERE,
    HOME,
    NOON,
    OPERATOR,
    OTHER_SEED,
    StoppedClock,
    admitted,
    app_password,
    bare,
    by_app_password,
    by_code,
    digest,
    granted,
    phone,
    refused,
    sql,
    stakes,
)

TABLES = ("accounts", "totp_devices", "app_passwords", "grants", "throttle_marks", "revocations", "audit")


def contents(database: Path) -> dict[str, list[tuple[object, ...]]]:
    return {table: sql(database, f"SELECT * FROM {table}") for table in TABLES}


def string(keys: Keyring, text: str = "secret123456") -> KeyedHash:
    return digest(keys, Purpose.STRING, text)


async def test_nothing_is_known_of_a_strange_name(store: Store) -> None:
    facts = await store.ledger.facts(BOB, [KeyedHash("g", b"1")], [KeyedHash("g", b"2")], NOON)
    assert (facts.account, facts.devices, facts.app_password, facts.grant) == (None, (), None, None)


async def test_the_revision_is_that_of_the_last_revocation(store: Store, ann: Account) -> None:
    assert (await store.ledger.facts(ANN, [], [], NOON)).revision == 0
    await store.accounts.suspend(ANN, actor=OPERATOR)
    assert (await store.ledger.facts(ANN, [], [], NOON)).revision == await store.revocations.newest() == 1


async def test_devices_are_each_read_once_however_many_grants_there_are(
    store: Store, keys: Keyring, ann: Account
) -> None:
    one, two = await phone(store), await phone(store, seed=OTHER_SEED)
    for step, text in ((101, "a"), (102, "b")):
        admitted(await store.ledger.admit(by_code(keys, one, step, text=text)))
    facts = await store.ledger.facts(ANN, [], [string(keys, "a"), string(keys, "b")], NOON)
    assert {d.id for d in facts.devices} == {one.id, two.id}
    assert len(facts.devices) == 2


async def test_a_winning_code_consumes_its_step_opens_a_grant_and_is_recorded(
    store: Store, keys: Keyring, ann: Account
) -> None:
    device = await phone(store)
    admission = admitted(await store.ledger.admit(by_code(keys, device, 101)))
    facts = await store.ledger.facts(ANN, [], [string(keys)], NOON)
    assert facts.grant is not None
    assert (admission.factor, admission.credential, admission.device) == (Factor.CODE, facts.grant.id, device.id)
    assert facts.devices[0].last_step == 101
    assert (facts.grant.network, facts.grant.until, facts.grant.single) == ("192.0.2.7/32", NOON + 60, False)
    last = (await store.audit.list())[-1].row
    assert (last.event, last.factor, last.credential) == (Event.LOGIN_GRANTED, Factor.CODE, device.id)


async def test_an_older_step_loses_and_nothing_is_written(
    store: Store, keys: Keyring, ann: Account, database: Path
) -> None:
    device = await phone(store)
    admitted(await store.ledger.admit(by_code(keys, device, 102, text="secret222222")))
    before = contents(database)
    for step in (101, 102):
        assert await store.ledger.admit(by_code(keys, device, step)) is Lost.STEP_USED
    assert contents(database) == before


async def test_the_exact_string_from_the_same_network_passes_under_its_grant(
    store: Store, keys: Keyring, ann: Account
) -> None:
    device = await phone(store)
    first = admitted(await store.ledger.admit(by_code(keys, device, 101)))
    second = admitted(await store.ledger.admit(by_code(keys, device, 101)))
    assert (second.factor, second.credential, second.device) == (Factor.GRANT, first.credential, device.id)
    last = (await store.audit.list())[-1].row
    assert (last.event, last.factor, last.credential) == (Event.LOGIN_GRANTED, Factor.GRANT, first.credential)


async def test_the_exact_string_from_another_network_is_a_replay(
    store: Store, keys: Keyring, ann: Account, database: Path
) -> None:
    device = await phone(store)
    admitted(await store.ledger.admit(by_code(keys, device, 101)))
    before = contents(database)
    assert await store.ledger.admit(by_code(keys, device, 101, origin=ELSEWHERE)) is Lost.ELSEWHERE
    assert contents(database) == before


async def test_a_grant_that_ran_out_lets_nobody_in(store: Store, keys: Keyring, ann: Account) -> None:
    device = await phone(store)
    admission = admitted(await store.ledger.admit(by_code(keys, device, 101)))
    late = NOON + 60
    assert (await store.ledger.facts(ANN, [], [string(keys)], late)).grant is None
    assert await store.ledger.admit(by_code(keys, device, 101, at=late)) is Lost.STEP_USED
    under_it = Entry(
        ANN, ann.id, Factor.GRANT, admission.credential, device.id, 0, granted(at=late, factor=Factor.GRANT)
    )
    assert await store.ledger.admit(under_it) is Lost.REVOKED


async def test_an_ended_grant_lets_nobody_in_though_the_account_is_well_again(
    store: Store, keys: Keyring, ann: Account
) -> None:
    device = await phone(store)
    admission = admitted(await store.ledger.admit(by_code(keys, device, 101)))
    await store.accounts.suspend(ANN, actor=OPERATOR)
    await store.accounts.resume(ANN, actor=OPERATOR)
    revision = await store.revocations.newest()
    entry = Entry(ANN, ann.id, Factor.GRANT, admission.credential, device.id, revision, granted(factor=Factor.GRANT))
    assert await store.ledger.admit(entry) is Lost.REVOKED


async def test_one_login_a_code_opens_no_grant(store: Store, keys: Keyring, ann: Account) -> None:
    device = await phone(store)
    assert admitted(await store.ledger.admit(by_code(keys, device, 101, grant=None))).credential == ""
    assert (await store.ledger.facts(ANN, [], [string(keys)], NOON)).grant is None
    assert await store.ledger.admit(by_code(keys, device, 101, grant=None)) is Lost.STEP_USED


async def test_a_permit_lets_the_same_string_in_once(store: Store, keys: Keyring, ann: Account) -> None:
    device = await phone(store)
    admitted(await store.ledger.admit(by_code(keys, device, 101, grant=None)))
    permit = Permit(ann.id, device.id, string(keys), HOME.network, NOON + 60, 0)
    deferred = AuditRow(Event.LOGIN_DEFERRED, NOON, account=ANN, origin=HOME, reason="backend-unavailable")
    await store.ledger.defer(deferred, None, permit)
    grant = (await store.ledger.facts(ANN, [], [string(keys)], NOON)).grant
    assert grant is not None
    assert grant.single
    entry = Entry(ANN, ann.id, Factor.GRANT, grant.id, device.id, 0, granted(factor=Factor.GRANT), permit=grant.id)
    assert admitted(await store.ledger.admit(entry)).factor is Factor.GRANT
    assert await store.ledger.admit(entry) is Lost.PERMIT_USED
    assert (await store.ledger.facts(ANN, [], [string(keys)], NOON)).grant is None


@pytest.mark.parametrize("ending", ["authenticator removed", "suspended", "account removed"])
async def test_no_permit_is_left_for_what_ended_while_the_leg_failed(
    store: Store, keys: Keyring, ann: Account, database: Path, ending: str
) -> None:
    device = await phone(store)
    entered = admitted(await store.ledger.admit(by_code(keys, device, 101, grant=None)))
    match ending:
        case "authenticator removed":
            await store.devices.remove(ANN, device.id, actor=OPERATOR)
        case "suspended":
            await store.accounts.suspend(ANN, actor=OPERATOR)
        case _:
            await store.accounts.remove(ANN, actor=OPERATOR)
    permit = Permit(ann.id, device.id, string(keys), HOME.network, NOON + 60, entered.revision)
    await store.ledger.defer(refused(), None, permit)
    assert sql(database, "SELECT * FROM grants") == []


async def test_a_loser_of_the_step_may_use_the_permit_of_its_string(store: Store, keys: Keyring, ann: Account) -> None:
    """Two connections with one string under `grant_limit = "0"`: the winner's leg fails while the other waits."""
    device = await phone(store)
    admitted(await store.ledger.admit(by_code(keys, device, 101, grant=None)))
    await store.ledger.defer(refused(), None, Permit(ann.id, device.id, string(keys), HOME.network, NOON + 60, 0))
    assert admitted(await store.ledger.admit(by_code(keys, device, 101, grant=None))).factor is Factor.GRANT
    assert await store.ledger.admit(by_code(keys, device, 101, grant=None)) is Lost.STEP_USED


async def test_an_ended_grant_is_erased_and_its_sessions_are_told(
    store: Store, keys: Keyring, ann: Account, database: Path
) -> None:
    device = await phone(store)
    admission = admitted(await store.ledger.admit(by_code(keys, device, 101)))
    await store.ledger.end_grant(admission.credential, refused(reason="wrong-password"))
    assert sql(database, "SELECT string, ended_at FROM grants") == [(None, NOON)]
    assert await store.ledger.revoked_since(0, admission, "mg-1")
    assert (await store.audit.list())[-1].row.event is Event.LOGIN_REFUSED
    assert await store.ledger.admit(by_code(keys, device, 101)) is Lost.STEP_USED


async def test_the_hash_of_a_grant_that_ran_out_is_erased_and_its_row_forgotten(
    store: Store, keys: Keyring, ann: Account, database: Path, clock: StoppedClock
) -> None:
    device = await phone(store)
    admitted(await store.ledger.admit(by_code(keys, device, 101)))
    assert await store.grants.expire() == 0
    assert sql(database, "SELECT count(string) FROM grants") == [(1,)]
    clock.at += 61
    assert await store.grants.expire() == 1
    assert sql(database, "SELECT count(*), count(string) FROM grants") == [(1, 0)]
    clock.at += 24 * 3600 + 1
    await store.purge()
    assert sql(database, "SELECT count(*) FROM grants") == [(0,)]


@pytest.mark.parametrize("change", ["suspend", "remove", "reset", "device", "end", "all"])
async def test_a_login_caught_in_flight_loses(
    store: Store, keys: Keyring, ann: Account, database: Path, change: str
) -> None:
    device = await phone(store)
    revision = (await store.ledger.facts(ANN, [], [], NOON)).revision
    match change:
        case "suspend":
            await store.accounts.suspend(ANN, actor=OPERATOR)
        case "remove":
            await store.accounts.remove(ANN, actor=OPERATOR)
        case "reset":
            await store.devices.reset(ANN, actor=OPERATOR)
        case "device":
            await store.devices.remove(ANN, device.id, actor=OPERATOR)
        case "end":
            await store.sessions.end_account(ANN, actor=OPERATOR)
        case _:
            await store.sessions.end_all(actor=OPERATOR)
    before = contents(database)
    assert await store.ledger.admit(by_code(keys, device, 101, revision=revision)) is Lost.REVOKED
    assert contents(database) == before


async def test_a_login_is_not_caught_by_what_ended_for_others(store: Store, keys: Keyring, ann: Account) -> None:
    await store.accounts.add(BOB, actor=OPERATOR)
    device, old = await phone(store), await phone(store, seed=OTHER_SEED)
    issued = await app_password(store, keys, ann)
    revision = (await store.ledger.facts(ANN, [], [], NOON)).revision
    await store.accounts.suspend(BOB, actor=OPERATOR)
    await store.devices.remove(ANN, old.id, actor=OPERATOR)
    await store.app_passwords.revoke(ANN, issued.id, actor=OPERATOR)
    admission = admitted(await store.ledger.admit(by_code(keys, device, 101, revision=revision)))
    assert not await store.ledger.revoked_since(revision, admission, "mg-1")


async def test_what_is_revoked_after_the_commit_is_seen_when_the_session_registers(
    store: Store, keys: Keyring, ann: Account
) -> None:
    issued = await app_password(store, keys, ann)
    admission = admitted(await store.ledger.admit(by_app_password(issued)))
    assert not await store.ledger.revoked_since(admission.revision, admission, "mg-1")
    await store.app_passwords.revoke(ANN, issued.id, actor=OPERATOR)
    assert await store.ledger.revoked_since(admission.revision, admission, "mg-1")
    assert not await store.ledger.revoked_since(await store.revocations.newest(), admission, "mg-1")


async def test_a_bare_password_loses_to_an_authenticator_confirmed_meanwhile(store: Store, ann: Account) -> None:
    admitted(await store.ledger.admit(bare(ann.id)))
    await phone(store)
    assert await store.ledger.admit(bare(ann.id)) is Lost.REVOKED


async def test_two_first_logins_make_one_account(store: Store, database: Path) -> None:
    one, two = admitted(await store.ledger.admit(bare(None))), admitted(await store.ledger.admit(bare(None)))
    assert one.account_id == two.account_id
    assert sql(database, "SELECT count(*) FROM accounts") == [(1,)]


@pytest.mark.parametrize("meanwhile", ["suspended", "reset", "enrolled", "of a group", "administrator"])
async def test_a_first_login_loses_to_what_was_done_to_its_account_meanwhile(store: Store, meanwhile: str) -> None:
    """The facts knew no such account, so no revocation can tell."""
    await store.accounts.add(ANN, actor=OPERATOR)
    match meanwhile:
        case "of a group":
            await store.accounts.change(ANN, group="strict", actor=OPERATOR)
        case "administrator":
            await store.accounts.change(ANN, role=Role.OWNER, actor=OPERATOR)
        case "suspended":
            await store.accounts.suspend(ANN, actor=OPERATOR)
        case "reset":
            await store.devices.reset(ANN, actor=OPERATOR)
        case _:
            await phone(store)
    entry = replace(bare(None), revision=await store.revocations.newest())
    assert await store.ledger.admit(entry) is Lost.REVOKED


async def test_a_granted_login_refunds_its_stake_and_resets_the_pair(
    store: Store, keys: Keyring, ann: Account, database: Path
) -> None:
    device = await phone(store)
    for mark in (b"one", b"two"):
        wrong = stakes(mark)
        await store.ledger.refuse(refused(), await store.ledger.reserve(wrong, NOON))
    right = stakes(b"yes")
    stake = await store.ledger.reserve(right, NOON)
    admitted(await store.ledger.admit(by_code(keys, device, 101, stake=stake)))
    assert sql(database, "SELECT mark FROM throttle_marks ORDER BY mark") == [(b"one",), (b"two",)]
    assert sql(database, "SELECT key, level FROM throttle_buckets") == [(b"network", 2.0)]


async def test_a_lost_entry_refunds_nothing(store: Store, keys: Keyring, ann: Account) -> None:
    device = await phone(store)
    reservation = stakes(limit=1)
    stake = await store.ledger.reserve(reservation, NOON)
    assert await store.ledger.admit(by_code(keys, device, 100, stake=stake)) is Lost.STEP_USED
    await store.ledger.refuse(refused(reason="code-reused"), stake)
    assert (await store.ledger.reserve(stakes(b"bbb", limit=1), NOON)).state is Reserved.THROTTLED
