"""Records that the version before left: upgraded, they open for whoever they opened for, and for nobody else.

`schema_0001` holds a database and its key file as that version made them.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth.accounts import AccountName, AppPassword, SuspendedBy
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.passwords import digests
from mailguard.auth.ports import Facts, StoreUnavailable
from mailguard.auth.roles import EVERYTHING, Role
from mailguard.keyring import Keyring, KeysError, Purpose
from mailguard.store import SchemaError, Store, upgrade
from mailguard.store.schema import HEAD
from tests.store.words import ANN, BOB, NOON, OPERATOR, SEED, admitted, by_code, content, put, sql

HERE = Path(__file__).parent / "schema_0001"
CAROL = AccountName("carol@example.org")
LIVE, BOUND, REVOKED, OF_BOB = ("a" * 28, "b" * 28, "c" * 28, "d" * 28)


@pytest.fixture
def keys(tmp_path: Path) -> Keyring:
    put(tmp_path / "keys.toml", content(HERE / "keys.toml"))
    return keyring.load(tmp_path / "keys.toml")


@pytest.fixture
def old(database: Path) -> Path:
    """As the version before left it."""
    with closing(sqlite3.connect(database)) as made:
        made.executescript((HERE / "records.sql").read_text())
    return database


async def upgraded(old: Path, keys: Keyring) -> Store:
    url = f"sqlite:///{old}"
    with pytest.raises(SchemaError, match="store upgrade"):
        await Store.open(url, keys, now=lambda: NOON)
    assert (await upgrade(url, keys, actor=OPERATOR, now=lambda: NOON)).unfit == ()
    return await Store.open(url, keyring.load(old.with_name("keys.toml")), now=lambda: NOON)


async def facts(store: Store, keys: Keyring, text: str = "", name: AccountName = ANN) -> Facts:
    offered = digests(keys, Purpose.APP_PASSWORD, text.encode()) if text else ()
    return await store.ledger.facts(name, offered, [], NOON)


async def offered(store: Store, keys: Keyring, text: str, name: AccountName = ANN) -> AppPassword:
    found = (await facts(store, keys, text, name)).app_password
    assert found is not None
    return found


async def alarms(store: Store) -> set[str]:
    return {entry.row.credential for entry in await store.audit.list() if entry.row.event is Event.ROW_ALTERED}


async def test_credentials_work_as_they_did(old: Path, keys: Keyring) -> None:
    store = await upgraded(old, keys)
    ann, bob, carol = [await store.accounts.get(name) for name in (ANN, BOB, CAROL)]
    assert ann is not None
    assert bob is not None
    assert carol is not None
    assert (ann.suspended_by, bob.suspended_by) == (SuspendedBy.NOBODY, SuspendedBy.OPERATOR)
    assert (carol.role, carol.role_limit, carol.group) == (Role.OWNER, EVERYTHING, "staff")
    (device,) = (await facts(store, keys)).devices
    assert (device.seed, device.last_step, device.name) == (SEED, 100, "phone")
    assert [(d.digits, d.algorithm, d.seed) for d in await store.devices.list(ANN)][1] == (8, "SHA256", SEED)
    admitted(await store.ledger.admit(by_code(keys, device, 101)))
    live, bound = await offered(store, keys, LIVE), await offered(store, keys, BOUND)
    assert (live.protocols, live.revoked_at, live.public) == (frozenset({MailProtocol.IMAP}), None, None)
    assert (str(bound.networks[0]), bound.idle, bound.seen_by_operator) == ("192.0.2.0/24", 3600.0, True)
    assert (await offered(store, keys, REVOKED)).revoked_at == NOON
    assert (await offered(store, keys, OF_BOB, BOB)).account_id == bob.id
    assert await alarms(store) == set()
    recorded = [(entry.row.event, entry.row.detail) for entry in await store.audit.list()]
    assert (Event.STORE_UPGRADED, f"schema 0001 -> {HEAD}") in recorded
    done = await store.keys.rotate(old.with_name("keys.toml"), actor=OPERATOR)
    assert done.unfit == ()
    await store.close()


async def test_what_was_recorded_before_is_chained_too(old: Path, keys: Keyring) -> None:
    ((before,),) = sql(old, "SELECT count(*) FROM audit")
    store = await upgraded(old, keys)
    await store.sealer.seal()
    found = await store.verify()
    assert isinstance(before, int)
    assert (found.rows, found.unsealed, found.broken) == (before + 1, 0, None)
    sql(old, "UPDATE audit SET detail = 'x' WHERE seq = 1")
    assert (await store.verify()).broken is not None
    await store.close()


@pytest.mark.parametrize(
    ("table", "which", "changes"),
    [
        ("accounts", "suspended", "suspended = 0"),
        ("accounts", "NOT administrator", "administrator = 1"),
        ("app_passwords", "networks <> ''", "networks = '0.0.0.0/0'"),
        ("app_passwords", "revoked_at IS NOT NULL", "revoked_at = NULL"),
        ("totp_devices", "digits = 6", "sealed_seed = X'00'"),
        ("totp_devices", "digits = 8", "digits = 6"),
    ],
)
async def test_a_row_that_was_altered_before_is_reported_and_opens_nothing(
    old: Path, keys: Keyring, table: str, *, which: str, changes: str
) -> None:
    (row_id,) = sql(old, f"SELECT id FROM {table} WHERE {which} LIMIT 1")[0]
    sql(old, f"UPDATE {table} SET {changes} WHERE id = ?", row_id)
    done = await upgrade(f"sqlite:///{old}", keys, actor=OPERATOR, now=lambda: NOON)
    assert [(unfit.table, unfit.id) for unfit in done.unfit] == [(table, row_id)]
    store = await Store.open(f"sqlite:///{old}", keys, now=lambda: NOON)
    assert await alarms(store) == {row_id}
    assert [str(unfit) for unfit in (await store.keys.rotate(old.with_name("keys.toml"), actor=OPERATOR)).unfit] == [
        f"row {row_id} of {table}"
    ]
    for name in (ANN, BOB, CAROL):
        found = await facts(store, keys, name=name)
        if found.account is not None and found.account.id == row_id:
            assert found.account.suspended
            assert not found.account.administrator
    await store.close()


async def test_the_wrong_key_file_changes_nothing(old: Path, keys: Keyring, tmp_path: Path) -> None:
    other = keyring.create(tmp_path / "other.toml")
    with pytest.raises(StoreUnavailable, match="restore the file that had it"):
        await upgrade(f"sqlite:///{old}", other, actor=OPERATOR)
    text = content(tmp_path / "other.toml").replace(other.newest.id.encode(), keys.newest.id.encode())
    put(tmp_path / "wrong.toml", text)
    with pytest.raises(KeysError, match="another secret than these records were made with"):
        await upgrade(f"sqlite:///{old}", keyring.load(tmp_path / "wrong.toml"), actor=OPERATOR)
    assert sql(old, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert (await upgrade(f"sqlite:///{old}", keys, actor=OPERATOR)).before == "0001"


async def test_an_upgraded_database_knows_its_key_file(old: Path, keys: Keyring, tmp_path: Path) -> None:
    first = keys.newest.id
    new = keyring.rotate(tmp_path / "keys.toml")
    await upgrade(f"sqlite:///{old}", keyring.load(tmp_path / "keys.toml"), actor=OPERATOR)
    assert sql(old, "SELECT DISTINCT mac_key FROM totp_devices") == [(new.id,)]
    keyring.retire(tmp_path / "keys.toml", first)
    with pytest.raises(KeysError, match=f"no generation '{first}'"):
        await Store.open(f"sqlite:///{old}", keyring.load(tmp_path / "keys.toml"))
