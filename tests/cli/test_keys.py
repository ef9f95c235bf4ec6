"""`mailguard keys`."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from mailguard import keyring
from tests.cli.conftest import Installation


def aged(file: Path) -> None:
    """As if the newest generation had been made long ago."""
    file.write_text(re.sub(r"created = \S+", "created = 2026-01-01T00:00:00Z", file.read_text()))


def test_a_generation_from_its_making_to_its_end(master: Installation) -> None:
    file = master.file.parent / "keys.toml"
    master.done("account", "add", "ann")
    issued = master.done("app-password", "issue", "ann", "--label", "phone", "--json").json
    (only,) = master.done("keys", "list", "--json").json
    assert (only["newest"], only["accounts"], only["app_passwords"], only["app_passwords_unused"]) == (True, 1, 1, 0)
    rotated = master.done("keys", "rotate")
    assert "brought 2 rows under it" in rotated.out
    assert str(file) in rotated.err
    new, old = master.done("keys", "list", "--json").json
    assert (new["newest"], new["accounts"], new["app_passwords"]) == (True, 1, 1)
    assert (old["id"], old["newest"], old["accounts"]) == (only["id"], False, 0)
    assert (old["app_passwords"], old["app_passwords_unused"]) == (1, 1)
    assert new["id"] in master.done("keys", "list").out
    refused = master("keys", "retire", old["id"])
    assert (refused.code, len(refused.err.splitlines())) == (1, 1)
    aged(file)
    refused = master("keys", "retire", old["id"])
    assert refused.code == 1
    assert "1 app passwords were not used since the rotation" in refused.err
    master.done("app-password", "revoke", "ann", issued["id"])
    assert "--forget-dead" in master("keys", "retire", old["id"]).err
    assert old["id"] in master.done("keys", "retire", old["id"], "--forget-dead").out
    assert [g.id for g in keyring.load(file).generations] == [new["id"]]
    events = [row["event"] for row in master.done("audit", "list", "--json").json]
    assert [event for event in events if event.startswith("key")] == ["keys-rotated", "key-retired"]


def test_rows_that_were_altered_are_named(master: Installation) -> None:
    master.done("account", "add", "ann")
    with closing(sqlite3.connect(master.file.parent / "mailguard.db")) as database, database:
        database.execute("UPDATE accounts SET role = 'owner'")
    done = master.done("keys", "rotate")
    assert "of accounts was changed outside mailguard and opens nothing" in done.err


def test_a_key_file_of_other_records_is_refused(master: Installation) -> None:
    """Another installation's, or one with the same id and another secret."""
    file = master.file.parent / "keys.toml"
    master.done("account", "add", "ann")
    mine = keyring.load(file).newest.id
    file.unlink()
    other = keyring.create(file).newest.id
    refused = master("account", "list")
    assert refused.code == 3
    assert f"no generation '{mine}'" in refused.err
    file.write_text(file.read_text().replace(other, mine))
    refused = master("account", "list")
    assert refused.code == 3
    assert f"another secret for generation {mine}" in refused.err
    assert master("check").code != 0, "and `check` says it instead of failing"


def test_an_upgrade_of_the_version_before_names_what_was_altered(master: Installation) -> None:
    folder, made = master.file.parent, Path(__file__).parents[1] / "store" / "schema_0001"
    (folder / "keys.toml").write_bytes((made / "keys.toml").read_bytes())
    with closing(sqlite3.connect(folder / "mailguard.db")) as database:
        database.executescript((made / "records.sql").read_text())
        database.execute("UPDATE app_passwords SET networks = '' WHERE id = 'bbbbbbbbbbbb'")
        database.commit()
    assert "mailguard store upgrade" in master("account", "list").err
    upgraded = master.done("store", "upgrade")
    assert upgraded.out == "the store is at schema 0004, was at 0001\n"
    assert upgraded.err.startswith("row bbbbbbbbbbbb of app_passwords was changed outside mailguard")
    assert master.done("store", "upgrade").out == "the store is at schema 0004, as before\n"
    listed = {row["id"]: row for row in master.done("app-password", "list", "ann", "--json").json}
    assert len(listed) == 3
    (folder / "keys.toml").unlink()
    assert master("store", "upgrade").code == 3
