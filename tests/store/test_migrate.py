"""Making, upgrading and copying the database."""

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from mailguard import keyring
from mailguard.auth.accounts import Account
from mailguard.auth.events import Event
from mailguard.auth.ports import StoreUnavailable
from mailguard.keyring import Keyring, KeysError
from mailguard.store import ChangeRefused, SchemaError, Store, migrate, upgrade
from mailguard.store.migrate import Upgraded
from mailguard.store.schema import HEAD, metadata
from tests.store.words import ANN, NOON, OPERATOR, StoppedClock, content, full_disk, names, phone, put, sql


def now() -> float:
    return NOON


async def test_the_migrations_lead_to_the_tables_that_the_code_expects(store: Store, database: Path) -> None:
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    fresh = create_engine(f"sqlite:///{database.with_name('fresh.db')}")
    metadata.create_all(fresh)
    tables = set(metadata.tables)
    kinds = "SELECT name, wr, strict FROM pragma_table_list WHERE type = 'table' AND schema = 'main'"
    counters = "SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE type = 'table'"
    for question in (kinds, counters):
        one, two = (
            sorted(row for row in sql(path, question) if row[0] in tables)
            for path in (database, database.with_name("fresh.db"))
        )
        assert one == two
        assert len(one) == len(tables)
    engine.dispose()
    fresh.dispose()


def test_the_code_knows_its_newest_migration() -> None:
    assert ScriptDirectory.from_config(migrate.alembic_config()).get_heads() == [HEAD]


async def test_the_files_are_for_their_owner_alone(database: Path, keys: Keyring, clock: StoppedClock) -> None:
    store = await Store.open(f"sqlite:///{database}", keys, now=clock)
    await store.accounts.add(ANN, actor=OPERATOR)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in database.parent.glob("mailguard.db*")}
    assert modes == {"mailguard.db": 0o600, "mailguard.db-wal": 0o600, "mailguard.db-shm": 0o600}
    await store.close()


async def test_nothing_is_left_beside_the_files_of_sqlite(store: Store, database: Path) -> None:
    await store.close()
    assert names(database.parent) == {"mailguard.db", "keys.toml"}


async def test_an_older_schema_names_the_command_and_a_newer_one_the_remedy(
    store: Store, database: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "HEAD", "0005")
    with pytest.raises(SchemaError, match="mailguard store upgrade"):
        await Store.open(f"sqlite:///{database}", keys, now=now)
    monkeypatch.undo()
    sql(database, "UPDATE alembic_version SET version_num = '0099'")
    with pytest.raises(SchemaError, match="newer mailguard"):
        await Store.open(f"sqlite:///{database}", keys, now=now)
    with pytest.raises(SchemaError, match="newer mailguard"):
        await upgrade(f"sqlite:///{database}", keys, actor=OPERATOR, now=now)


NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade():
    with op.batch_alter_table("accounts") as table:
        table.add_column(sa.Column("language", sa.String))
        table.alter_column("policy_group", new_column_name="group_name")
    {then}
"""


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A version of mailguard whose migration rebuilds a table that others point at."""

    def installed(then: str) -> None:
        scripts = tmp_path / "scripts"
        shutil.copytree(Path(migrate.__file__).with_name("migrations"), scripts, dirs_exist_ok=True)
        (scripts / "versions" / "r0005_next.py").write_text(NEXT.format(then=then))
        config = migrate.alembic_config()
        config.set_main_option("script_location", str(scripts))
        monkeypatch.setattr(migrate, "alembic_config", lambda: config)
        monkeypatch.setattr(migrate, "HEAD", "0005")

    return installed


async def test_an_upgrade_keeps_every_row_and_is_recorded(
    store: Store, ann: Account, keys: Keyring, database: Path, next_version: Callable[[str], None]
) -> None:
    device = await phone(store)
    await store.close()
    next_version("")
    assert await upgrade(f"sqlite:///{database}", keys, actor=OPERATOR, now=now) == Upgraded(HEAD, "0005")
    assert sql(database, "SELECT id, group_name, language FROM accounts") == [(ann.id, "", None)]
    assert sql(database, "SELECT id FROM totp_devices") == [(device.id,)], "a rebuilt table must not cascade"
    last = sql(database, "SELECT event, actor, detail FROM audit ORDER BY seq DESC LIMIT 1")
    assert last == [(Event.STORE_UPGRADED.value, OPERATOR, "schema 0004 -> 0005")]


async def test_an_upgrade_that_fails_leaves_the_old_database(
    store: Store, ann: Account, keys: Keyring, database: Path, next_version: Callable[[str], None]
) -> None:
    await store.close()
    before = sql(database, "SELECT name, sql FROM sqlite_master ORDER BY name")
    next_version('op.execute("SELECT * FROM nowhere")')
    with pytest.raises(StoreUnavailable, match="nowhere"):
        await upgrade(f"sqlite:///{database}", keys, actor=OPERATOR, now=now)
    assert sql(database, "SELECT name, sql FROM sqlite_master ORDER BY name") == before
    assert sql(database, "SELECT version_num FROM alembic_version") == [(HEAD,)]


async def test_an_upgrade_of_the_newest_schema_does_nothing(store: Store, database: Path, keys: Keyring) -> None:
    before = await store.audit.list()
    assert await upgrade(f"sqlite:///{database}", keys, actor=OPERATOR, now=now) == Upgraded(HEAD, HEAD)
    assert await store.audit.list() == before


async def test_an_upgrade_makes_no_database(database: Path, keys: Keyring) -> None:
    with pytest.raises(SchemaError, match="no records to upgrade"):
        await upgrade(f"sqlite:///{database}", keys, actor=OPERATOR, now=now)
    assert database.name not in names(database.parent)


async def test_a_database_of_something_else_is_left_alone(database: Path, keys: Keyring) -> None:
    sql(database, "CREATE TABLE bookmarks (url)")
    with pytest.raises(SchemaError, match="name another file"):
        await Store.open(f"sqlite:///{database}", keys, now=now)
    assert sql(database, "SELECT name FROM sqlite_master") == [("bookmarks",)]


async def test_what_is_no_database_is_left_alone(database: Path, keys: Keyring) -> None:
    letter = b"a letter, not a database " * 100
    put(database, letter)
    with pytest.raises(StoreUnavailable, match="restore it from a backup"):
        await Store.open(f"sqlite:///{database}", keys, now=now)
    assert content(database) == letter


async def test_an_interrupted_making_is_begun_again(database: Path, keys: Keyring, clock: StoppedClock) -> None:
    """Killed between the empty file and the one transaction that fills it."""
    put(database, b"")
    store = await Store.open(f"sqlite:///{database}", keys, now=clock)
    assert [r.row.event for r in await store.audit.list()] == [Event.STORE_CREATED]
    await store.close()


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path, keys: Keyring) -> None:
    with pytest.raises(StoreUnavailable, match="missing"):
        await Store.open(f"sqlite:///{tmp_path}/missing/mailguard.db", keys, now=now)


async def test_another_key_file_is_refused_at_once(store: Store, ann: Account, database: Path, tmp_path: Path) -> None:
    other = keyring.create(tmp_path / "other.toml")
    with pytest.raises(KeysError, match="restore the file"):
        await Store.open(f"sqlite:///{database}", other, now=now)


async def test_a_copy_is_whole_private_and_recorded(
    store: Store, ann: Account, tmp_path: Path, keys: Keyring, clock: StoppedClock
) -> None:
    await phone(store)
    target = tmp_path / "copies" / "today.db"
    target.parent.mkdir()
    await store.sealer.seal()
    head = await store.backup(target, actor=OPERATOR)
    assert head == (await store.sealer.tip()).head
    last = (await store.audit.list())[-1].row
    assert (last.event, last.actor, last.detail) == (Event.STORE_BACKED_UP, OPERATOR, f"{target}, head {head}")
    assert names(target.parent) == {"today.db"}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    copied = await Store.open(f"sqlite:///{target}", keys, now=clock)
    assert await copied.accounts.get(ANN) == ann
    assert await copied.devices.list(ANN) == await store.devices.list(ANN)
    await copied.close()


async def test_a_copy_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    put(target, b"precious")
    with pytest.raises(ChangeRefused, match="not overwritten"):
        await store.backup(target, actor=OPERATOR)
    assert content(target) == b"precious"
    with pytest.raises(ChangeRefused, match="a folder you may write"):
        await store.backup(tmp_path / "missing" / "copy.db", actor=OPERATOR)


async def test_a_copy_that_does_not_fit_on_its_disk_is_not_left_behind(
    store: Store, ann: Account, tmp_path: Path
) -> None:
    before = await store.audit.list()
    with full_disk(8192), pytest.raises(StoreUnavailable, match="could not be written"):
        await store.backup(tmp_path / "copy.db", actor=OPERATOR)
    assert "copy.db" not in names(tmp_path)
    assert await store.audit.list() == before


async def test_a_row_under_a_key_that_is_missing_lets_nobody_in(store: Store, ann: Account, database: Path) -> None:
    """Fail closed (SECURITY.md, promise 2): it must not look like an account without an authenticator."""
    await phone(store)
    sql(database, "UPDATE totp_devices SET seal_key = 'g0-gone'")
    with pytest.raises(StoreUnavailable, match="restore the file that had it"):
        await store.ledger.facts(ANN, [], [], NOON)
