"""What all commands share: exit codes, the actor, the record, the store's own commands."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mailguard import config
from tests.cli.conftest import Installation


def test_who_is_behind_sudo_is_the_actor(own: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "carol")
    own.done("account", "add", "ann")
    monkeypatch.setenv("SUDO_USER", "carol\nfake")
    own.done("account", "suspend", "ann")
    first, second = own.done("audit", "list", "ann", "--json").json
    assert first["actor"] == "operator:carol"
    assert second["actor"] != first["actor"]
    assert "\n" not in second["actor"]


def test_the_record_may_be_narrowed(own: Installation) -> None:
    own.done("account", "add", "ann")
    own.done("account", "add", "bob")
    assert [row["account"] for row in own.done("audit", "list", "bob", "--json").json] == ["bob@example.org"]
    assert own.done("audit", "list", "--since", "1h", "--limit", "1", "--json").json[0]["account"] == "bob@example.org"
    assert "account-added" in own.done("audit", "list").out
    assert own("audit", "list", "--since", "yesterday").code == 2


def test_without_keys_nothing_is_done(own: Installation) -> None:
    (own.file.parent / "keys.toml").chmod(0o644)
    done = own("account", "list")
    assert done.code == 3
    assert "chmod 0600" in done.err
    (own.file.parent / "keys.toml").unlink()
    assert own("account", "list").code == 3


def test_a_store_of_another_version_names_the_upgrade(own: Installation) -> None:
    own.done("account", "add", "ann")
    with sqlite3.connect(own.file.parent / "mailguard.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
    database.close()
    done = own("account", "list")
    assert done.code == 3
    assert len(done.err.splitlines()) == 1


def test_a_store_that_cannot_be_opened(own: Installation) -> None:
    (own.file.parent / "mailguard.db").write_bytes(b"no database at all, but long enough to be read as one" * 100)
    done = own("account", "list")
    assert done.code == 3
    assert done.err


def test_every_problem_of_the_configuration_is_a_line(own: Installation) -> None:
    own.file.write_text(
        own.file.read_text().replace("unauthenticated = 4000", "unauthenticated = 0") + "\n[nonsense]\n"
    )
    done = own("account", "list")
    assert done.code == 1
    assert [line.split(": ")[1] for line in done.err.splitlines()] == ["nonsense", "throttle.unauthenticated"]


def test_backup_makes_a_new_private_file_and_upgrade_has_nothing_to_do(own: Installation) -> None:
    own.done("account", "add", "ann")
    copy = own.file.parent / "copy.db"
    assert "keys.toml" in own.done("store", "backup", str(copy)).err
    assert copy.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copy) as database:
        assert database.execute("SELECT name FROM accounts").fetchall() == [("ann@example.org",)]
    database.close()
    assert own("store", "backup", str(copy)).code == 1
    assert "as before" in own.done("store", "upgrade").out


def test_config_show_tells_every_value_in_force(own: Installation) -> None:
    rows = {row["key"]: row for row in own.done("config", "show", "--json").json}
    assert rows["throttle.failure_delay"]["value"] == '"3s"'
    assert rows["policy.group.staff.two_factor"]["value"] == '"enforce"'
    assert rows["listen[1].proxy_from"]["built"] is False
    settings = config.load(own.file)
    assert set(rows) == {name for name, _, _ in settings.lines()}
    assert "throttle.failure_delay" in own.done("config", "show").out


def test_the_program_runs_as_a_module_and_by_the_environments_configuration(own: Installation) -> None:
    environment = {**os.environ, "MAILGUARD_CONFIG": str(own.file)}
    command = [sys.executable, "-m", "mailguard", "account", "add", "ann"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "added ann@example.org\n")
    assert own.done("account", "list", "--json").json[0]["name"] == "ann@example.org"


def test_a_wrong_verb_is_wrong_use(own: Installation, tmp_path: Path) -> None:
    assert own("account", "frobnicate").code == 2
    missing = Installation(tmp_path / "elsewhere.toml")("account", "list")
    assert missing.code == 1
    assert "mailguard init" in missing.err
