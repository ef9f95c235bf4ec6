"""An installation in a folder, and the program to run in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mailguard.cli.main import app
from mailguard.config.example import render
from mailguard.config.kinds import Raw
from mailguard.keyring import create


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Installation:
    """One configuration file and all that lies beside it."""

    file: Path

    def __call__(self, *words: str, stdin: str = "") -> Done:
        """Run `mailguard` here."""
        result = CliRunner().invoke(app, ["--config", str(self.file), *words], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    def done(self, *words: str, stdin: str = "") -> Done:
        """Run it, and demand that it succeeds."""
        done = self(*words, stdin=stdin)
        assert done.code == 0, done.err
        return done


STAFF = '\n[policy.group.staff]\ntwo_factor = "enforce"\n'


def install(folder: Path, login: str) -> Installation:
    """The example configuration with keys and, for both backends, one login form."""
    changes: dict[str, Raw] = {"names.domain": "example.org"}
    for backend in ("backend.imap", "backend.submission"):
        changes |= {f"{backend}.login": login, f"{backend}.master_user": "guard"}
        changes |= {f"{backend}.master_secret_file": "master"}
    (folder / "config.toml").write_text(render(changes) + STAFF)
    create(folder / "keys.toml")
    return Installation(folder / "config.toml")


@pytest.fixture
def own(tmp_path: Path) -> Installation:
    """Users' own passwords open the store."""
    return install(tmp_path, "own")


@pytest.fixture
def master(tmp_path: Path) -> Installation:
    """A master secret opens the store."""
    return install(tmp_path, "master")
