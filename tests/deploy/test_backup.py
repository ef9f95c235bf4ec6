"""The copies of the records that a timer makes, by the script that it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.config.example import render
from mailguard.store import Store
from tests.deploy.tools import DEPLOY, TIMEOUT

SCRIPT = DEPLOY / "backup/mailguard-backup"
OLD = [f"mailguard-2026010{day}T020000Z.db" for day in range(1, 6)]


def back_up(folder: Path, copies: str, program: str) -> subprocess.CompletedProcess[str]:
    wrapper = folder.parent / "program"
    wrapper.write_text(f"#!/bin/sh\n{program}\n")
    wrapper.chmod(0o755)
    environment = {**os.environ, "MAILGUARD": str(wrapper), "MAILGUARD_COPIES": copies}
    return subprocess.run(
        [SCRIPT, folder], env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "backups of records"
    folder.mkdir()
    for name in [*OLD, "mailguard-of-ann.db", "notes.txt"]:
        (folder / name).write_text("kept")
    return folder


def copies(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("mailguard-20"))


async def test_the_newest_copies_stay_and_each_is_whole(folder: Path) -> None:
    home = folder.parent
    (home / "config.toml").write_text(render({}))
    ring = keyring.create(home / "keys.toml")
    await (await Store.open(f"sqlite:///{home / 'mailguard.db'}", ring)).close()
    command = f'exec {sys.executable} -m mailguard --config "{home / "config.toml"}" "$@"'
    done = back_up(folder, "3", command)
    assert (done.returncode, done.stderr.count("keep a copy of that too")) == (0, 1), done.stderr
    assert "its audit up to head" in done.stdout
    *before, new = copies(folder)
    assert before == OLD[-2:]
    assert done.stdout.endswith(f"kept as {folder / new}\n")
    assert (folder / new).stat().st_mode & 0o777 == 0o600
    store = await Store.open(f"sqlite:///{folder / new}", ring)
    assert next(entry.row.event for entry in await store.audit.list()) == "store-created"
    await store.close()
    assert {"mailguard-of-ann.db", "notes.txt"} < set(os.listdir(folder))


def test_where_no_copy_could_be_made_the_old_ones_stay(folder: Path) -> None:
    done = back_up(folder, "1", 'echo half > "$3"; echo the disk is full >&2; exit 1')
    assert (done.returncode, done.stderr) == (1, "the disk is full\n")
    assert copies(folder) == OLD
    done = back_up(folder, "1", '[ ! -e "$3" ] && echo whole > "$3"')
    assert done.returncode == 0, "what the one before left is in nobody's way"
    assert [(folder / name).read_text() for name in copies(folder)] == ["whole\n"]


@pytest.mark.parametrize("number", ["0", "x", "-1", "07"])
def test_how_many_is_a_number(folder: Path, number: str) -> None:
    assert back_up(folder, number, "true").returncode == 2
    assert copies(folder) == OLD
