"""Each column of each row under a MAC, edited by somebody who can write the database file: what stood in it opens
nothing any more, and where a login or a sign-in meets it, ROW_ALTERED is recorded (SECURITY.md, promise 7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Float, Integer, LargeBinary, Table

from mailguard.auth import recovery, vault
from mailguard.auth.accounts import Account, AccountName, AppPassword, Claim, CodeKind, KeyedHash, VaultEntry
from mailguard.auth.api_keys import ApiKey
from mailguard.auth.attempt import Factor, MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.passwords import digests
from mailguard.auth.ports import Facts, StoreUnavailable
from mailguard.auth.roles import EVERYTHING, Role, Scope
from mailguard.auth.standing import SignedIn, Standing
from mailguard.keyring import Keyring, Purpose
from mailguard.secret import Secret
from mailguard.store import ChangeRefused, Store, macs, new_id
from mailguard.store.errors import RecordAltered
from mailguard.store.handouts import Handout
from mailguard.store.portal_schema import api_keys, handouts, passkeys, portal_sessions
from mailguard.store.portal_sessions import Browser
from mailguard.store.schema import (
    accounts,
    addresses,
    app_passwords,
    audit_key,
    claims,
    devices,
    grants,
    metadata,
    one_time_codes,
    passwords,
)
from mailguard.store.schema import vault as vault_table
from tests.store.words import ANN, BOB, HOME, NOON, OPERATOR, SEED, admitted, by_code, digest, phone, sql, token

COOKIE = b"digest of a cookie"
TEXT, LINK, STRING = "k7mq2xwdk7mq2xwdk7mq2xwdk7mq", "link", "secret123456"

LEFT_OUT = {
    "api_keys.last_used_at": "written at every use, shown only",
    "api_keys.last_used_from": "written at every use, shown only",
    "app_passwords.last_used_at": (
        "written at every use: an idle limit can be stretched by it, to the fixed end, and one that was never used "
        "looks used, so that it does not lapse after its first day; to open anything still takes the app password"
    ),
    "app_passwords.last_used_from": "written at every use, shown only",
    "app_passwords.last_used_protocol": "written at every use, shown only",
    "app_passwords.last_client": "written at every use, shown only",
    "totp_devices.last_step": "consumed by one conditional UPDATE; set back, a code counts again (threat model)",
    "passkeys.sign_count": "written at every use; set back, the use of a copy is not noticed, its answer still fresh",
    "passkeys.last_used_at": "written at every use, shown only",
    "grants.idle_since": "written at every session's end; the hard end stands under the MAC",
    "grants.ended_at": "set without the keys by whatever ends many at once; the hash is erased with it",
    "one_time_codes.kept_at": "set when their owner says that they are kept; the page asks for that, no more",
    "portal_sessions.seen_at": "written at every use: an idle hour can be stretched by it, to the fixed end",
    "vault.refused_at": "set by the store's answer; it decides only when the store is asked again",
}


def test_what_is_left_out_of_the_macs_has_its_reason() -> None:
    out = {
        f"{table.name}.{column.name}"
        for table in macs.tables()
        for column in set(table.c) - set(macs.covered(table)) - {table.c.mac, table.c.mac_key}
    }
    assert out == set(LEFT_OUT)


def test_every_table_that_has_a_mac_is_known() -> None:
    assert set(macs.tables()) == {table for table in metadata.sorted_tables if "mac_key" in table.c}
    assert set(macs.tables()) == set(OPENS)


@dataclass
class World:
    """One row of each kind, and where to look for what it opens."""

    store: Store
    keys: Keyring
    ann: Account
    bob: Account
    password: AppPassword
    code: bytes

    async def facts(self, name: AccountName = ANN, *, found_by: KeyedHash | None = None) -> Facts:
        string = digests(self.keys, Purpose.STRING, STRING.encode())
        return await self.store.ledger.facts(name, [found_by] if found_by else [], string, NOON)

    def hash(self) -> KeyedHash:
        """What the app password's row is found by, wherever somebody has moved it."""
        (found,) = sql(self.database, "SELECT hash FROM app_passwords")[0]
        assert isinstance(found, bytes)
        return KeyedHash(self.keys.newest.id, found)

    def names(self) -> Iterator[AccountName]:
        for (name,) in sql(self.database, "SELECT name FROM accounts ORDER BY name"):
            yield AccountName(str(name))

    @property
    def database(self) -> Path:
        return self.store._path


@pytest.fixture
async def world(store: Store, keys: Keyring, ann: Account) -> World:
    bob = await store.accounts.add(BOB, actor=OPERATOR)
    device = await phone(store)
    row_id = new_id()
    public = vault.public_half(Secret(TEXT.encode()), row_id)
    row = AppPassword(row_id, ann.id, "laptop", frozenset({MailProtocol.IMAP}), created_at=NOON, public=public)
    hashed = digest(keys, Purpose.APP_PASSWORD, TEXT)
    await store.app_passwords.issue(ANN, row, hashed, actor=OPERATOR, store_password=Secret(b"at the store"))
    claim = Claim(new_id(), ann.id, "tablet", frozenset({MailProtocol.IMAP}), NOON, NOON + 1e6)
    await store.claims.issue(ANN, claim, digest(keys, Purpose.CLAIM, LINK), actor=OPERATOR)
    made = recovery.make(1)
    await store.codes.issue(ANN, CodeKind.RECOVERY, made, actor=OPERATOR)
    await token(store)
    await store.passwords.set(ANN, "$argon2id$…", actor=OPERATOR, needs_factor=False)
    await store.addresses.add(ANN, "ann@home.example", actor=OPERATOR)
    revision = (await store.ledger.facts(ANN, [], [], NOON)).revision
    admitted(await store.ledger.admit(by_code(keys, device, 101, text=STRING, grant=7 * 86400.0, revision=revision)))
    signed = SignedIn(ANN, ann.id, Standing.FULL, Factor.CODE, device.id, revision, NOON)
    held = await store.portal_sessions.open(signed, Browser(COOKIE, HOME, "Tests/1.0"))
    await store.handouts.make(signed, Handout("h", ann.id, "iPad", None, held.id, b"sealed", NOON, NOON + 600), COOKIE)
    key = ApiKey(new_id(), "report", Role.AUDITOR, EVERYTHING, frozenset({Scope.READ}), NOON, NOON + 1e6)
    await store.api_keys.issue(key, digest(keys, Purpose.API_KEY, TEXT), actor=OPERATOR)
    await store.sealer.seal()
    return World(store, keys, ann, bob, row, made.hashes[0])


async def an_account(world: World) -> bool:
    """In good standing, or in a better one than it had, by whichever name it is found now."""
    seen = [(await world.facts(name)).account for name in world.names() if name != BOB]
    return any(account is not None and (not account.suspended or account.administrator) for account in seen)


async def a_seed(world: World) -> bool:
    """Some account has an authenticator whose codes are those of the phone."""
    seen = [device.seed for name in world.names() for device in (await world.facts(name)).devices]
    return SEED in seen


async def an_app_password(world: World) -> bool:
    found = (await world.facts(found_by=world.hash())).app_password
    return found is not None and found.revoked_at is None and bool(found.protocols)


async def a_grant(world: World) -> bool:
    return any([(await world.facts(name)).grant is not None for name in world.names()])


async def a_claim(world: World) -> bool:
    (found,) = sql(world.database, "SELECT hash FROM claims")[0]
    assert isinstance(found, bytes)
    return await world.store.claims.find([KeyedHash(world.keys.newest.id, found)]) is not None


async def a_code(world: World) -> bool:
    return any([await world.store.sign_ins.codes(account, NOON) for account in (world.ann, world.bob)])


async def a_passkey(world: World) -> bool:
    """Some account may sign in by the key of the token."""
    accounts_of = (world.ann, world.bob)
    seen = [(await world.store.sign_ins.passkeys(account, b"?", NOON)).passkeys for account in accounts_of]
    return any(each.public_key == b"COSE" for found in seen for each in found)


async def a_password(world: World) -> bool:
    return any([await world.store.passwords.find(name) is not None for name in (ANN, BOB)])


async def an_entry(world: World) -> bool:
    (row_id,) = sql(world.database, "SELECT app_password_id FROM vault")[0]
    moved = AppPassword(str(row_id), world.ann.id, "", frozenset())
    return isinstance(await world.store.ledger.vault_entry(ANN, moved, NOON), VaultEntry)


async def an_address(world: World) -> bool:
    return any([await world.store.addresses.list(name) for name in (ANN, BOB)])


async def the_chain(world: World) -> bool:
    try:
        await world.store.sealer.tip()
    except RecordAltered:
        return False
    return True


async def a_portal_session(world: World) -> bool:
    return await world.store.portal_sessions.find(COOKIE) is not None


async def a_handout(world: World) -> bool:
    (found,) = sql(world.database, "SELECT digest FROM handouts")[0]
    assert isinstance(found, bytes)
    return await world.store.handouts.find(found) is not None


async def an_api_key(world: World) -> bool:
    (found,) = sql(world.database, "SELECT hash FROM api_keys")[0]
    assert isinstance(found, bytes)
    return await world.store.api_keys.find([KeyedHash(world.keys.newest.id, found)], HOME) is not None


OPENS: dict[Table, Callable[[World], Awaitable[bool]]] = {
    accounts: an_account,
    addresses: an_address,
    api_keys: an_api_key,
    app_passwords: an_app_password,
    audit_key: the_chain,
    claims: a_claim,
    devices: a_seed,
    grants: a_grant,
    handouts: a_handout,
    one_time_codes: a_code,
    passkeys: a_passkey,
    passwords: a_password,
    portal_sessions: a_portal_session,
    vault_table: an_entry,
}

UNMET = {
    "grants.string",
    "one_time_codes.used_at",
    "one_time_codes.ended_at",
    "portal_sessions.digest",
    "totp_devices.seal_key",
}
"""Whoever changes what a row is found by, or says that it is used up, has taken it away: deleting it would do the same.
A generation that nobody has is met by a temporary answer, since a key file may be missing just as well."""
QUIET = {addresses, audit_key, claims, handouts}
"""Met by no login: an address by the sender of letters, the chain's key by the sealer, a link by its page."""


THE_OTHER = "the other account's"


def edited(column: Column[Any], old: Any) -> Any:
    """Another value of the same kind."""
    match column.name, column.type:
        case "kind", _ if column.table is accounts:
            return "service"
        case "kind", _:
            return "bypass"
        case "protocols", _:
            return "imap submission"
        case "networks", _:
            return "0.0.0.0/0"
        case "suspended_by", _:
            return "source"
        case "account_id", _:
            return THE_OTHER
        case _, Boolean():
            return not old
        case _, Float() | Integer():
            return 1e9 if old is None else old + 1
        case _, LargeBinary():
            return b"\x00" * 32 if old is None else bytes([old[0] ^ 1]) + old[1:]
        case _:
            return f"{old}x"


EACH = [
    pytest.param(table, column, id=f"{table.name}.{column.name}") for table in OPENS for column in macs.covered(table)
]


@pytest.mark.parametrize("table", OPENS, ids=str)
async def test_as_mailguard_left_it_it_opens(world: World, table: Table) -> None:
    assert await OPENS[table](world)
    assert not await alarms(world)


async def alarms(world: World) -> list[str]:
    return [entry.row.credential for entry in await world.store.audit.list() if entry.row.event is Event.ROW_ALTERED]


def edit(world: World, table: Table, column: Column[Any]) -> None:
    (primary,) = (each.name for each in table.primary_key.columns)
    which = f"name = '{ANN}'" if table is accounts else "true"
    row_id, old = sql(world.database, f"SELECT {primary}, {column.name} FROM {table.name} WHERE {which}")[0]
    new = edited(column, old)
    change = f"UPDATE {table.name} SET {column.name} = ? WHERE {primary} = ?"
    sql(world.database, change, world.bob.id if new == THE_OTHER else new, row_id)


async def still_opens(world: World, table: Table) -> bool:
    try:
        return await OPENS[table](world)
    except StoreUnavailable:
        return False


@pytest.mark.parametrize(("table", "column"), EACH)
async def test_a_row_with_any_column_edited_opens_nothing(world: World, table: Table, column: Column[Any]) -> None:
    """Nor does a rotation take it over, as it does every other row."""
    edit(world, table, column)
    assert not await still_opens(world, table)
    if table not in QUIET and f"{table.name}.{column.name}" not in UNMET:
        assert await alarms(world)
    done = await world.store.keys.rotate(world.database.with_name("keys.toml"), actor=OPERATOR)
    assert [unfit.table for unfit in done.unfit] == [table.name]
    assert not await still_opens(world, table)


async def test_nothing_is_revived_in_the_file(world: World) -> None:
    """Revoked, used up, withdrawn, suspended: undone by whoever can write the file, and undone for nobody."""
    await world.store.app_passwords.revoke(ANN, world.password.id, actor=OPERATOR)
    await world.store.codes.issue(ANN, CodeKind.RECOVERY, recovery.make(1), actor=OPERATOR)  # withdraws the first
    await world.store.accounts.suspend(ANN, actor=OPERATOR)
    sql(world.database, "DELETE FROM one_time_codes WHERE ended_at IS NULL")
    sql(world.database, "UPDATE one_time_codes SET ended_at = NULL, used_at = NULL")
    sql(world.database, "UPDATE app_passwords SET revoked_at = NULL")
    sql(world.database, "UPDATE accounts SET suspended_by = ''")
    sql(world.database, "DELETE FROM revocations")
    for table in (app_passwords, one_time_codes, accounts):
        assert not await OPENS[table](world), table.name
    assert {world.password.id, world.ann.id} < set(await alarms(world))


async def test_an_authenticator_that_waits_for_its_first_code_cannot_be_confirmed_in_the_file(
    store: Store, ann: Account, keys: Keyring, database: Path
) -> None:
    device = await store.devices.enrol(ANN, "thief's", SEED, actor=OPERATOR)
    sql(database, "UPDATE totp_devices SET confirmed_at = ?", NOON)
    facts = await store.ledger.facts(ANN, [], [], NOON)
    assert [found.seed == SEED for found in facts.devices] == [False], "a factor still, and no code fits it"
    with pytest.raises(ChangeRefused):
        await store.devices.confirm(device.id, 1, actor=OPERATOR)


async def test_a_public_half_of_a_thief_s_is_sealed_to_no_more(world: World) -> None:
    sql(world.database, "UPDATE app_passwords SET public = ?", vault.public_half(Secret(b"thief"), world.password.id))
    with pytest.raises(ChangeRefused, match="no usable app password"):
        await world.store.vault.renew(ANN, Secret(b"new"), actor=OPERATOR)
