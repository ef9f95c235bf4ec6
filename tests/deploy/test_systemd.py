"""The units and what goes with them, as far as systemd's own tools can tell without a running systemd."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard import config, keyring
from mailguard.checks.files import files
from mailguard.checks.findings import Finding, Level
from mailguard.checks.machine import keys, owners, secrets
from mailguard.checks.portal import portal
from mailguard.config.example import render
from mailguard.config.kinds import Raw
from mailguard.store import Store
from tests.deploy.tools import DEPLOY, needed, said

UNITS = DEPLOY / "systemd"
SERVICES = ("mailguard.service", "mailguard-portal.service")
EXPOSED = 2.0  # systemd-analyze security counts from 0, safe, to 10


@pytest.mark.parametrize("service", [*SERVICES, "mailguard-backup.service"])
def test_a_service_may_do_little(service: str) -> None:
    program = needed("systemd-analyze", "systemd")
    told = said(program, "security", "--offline=true", "--no-pager", UNITS / service)
    exposure = re.search(rf"exposure level for {service}: ([\d.]+)", told)
    assert exposure is not None, told
    assert float(exposure[1]) < EXPOSED, told


def test_the_units_are_understood(tmp_path: Path) -> None:
    program = needed("systemd-analyze", "systemd")
    installed = tmp_path / "mailguard"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    for unit in UNITS.glob("mailguard*"):
        (tmp_path / unit.name).write_text(
            unit.read_text()
            .replace("/opt/mailguard/.venv/bin/mailguard", str(installed))
            .replace("/opt/mailguard/deploy", str(DEPLOY))
            .replace("file:/opt/mailguard", f"file:{DEPLOY.parent}")
        )
    names = (*SERVICES, "mailguard-backup.timer")
    assert said(program, "verify", "--man=no", *(tmp_path / name for name in names)) == ""


def test_the_two_halves_are_held_alike() -> None:
    mail, pages = (set(_service(UNITS / name)) for name in SERVICES)
    assert {line.split("=")[0] for line in mail ^ pages} == {"ExecStart", "User", "InaccessiblePaths"}


def _service(unit: Path) -> list[str]:
    section = unit.read_text().split("[Service]\n")[1].split("\n[")[0]
    return [line for line in section.splitlines() if line and not line.startswith("#")]


def test_the_doors_are_those_of_the_example() -> None:
    streams = re.findall(r"^ListenStream=(.*)$", (UNITS / "mailguard.socket").read_text(), re.MULTILINE)
    example = re.findall(r'^address = "([^"]*)"', (DEPLOY.parent / "config.toml").read_text(), re.MULTILINE)
    assert set(streams) == {address for address in example if not address.startswith("127.")}


def test_the_two_users_share_a_group(tmp_path: Path) -> None:
    program = needed("systemd-sysusers", "systemd")
    (tmp_path / "etc").mkdir()
    said(program, f"--root={tmp_path}", UNITS / "sysusers.conf")
    users = [line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()]
    assert {user[0] for user in users} == {"mailguard", "mailguard-portal"}
    assert len({user[2] for user in users}) == 2
    assert len({user[3] for user in users}) == 1
    assert {user[6] for user in users} == {"/usr/sbin/nologin"}


@pytest.fixture
def root() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mailguard-root-"))  # pytest's own folders are closed to other users
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="ONLY ROOT CAN GIVE FILES AWAY: TMPFILES NOT SHOWN HERE")
def test_check_is_content_with_the_modes(root: Path) -> None:
    program = needed("systemd-tmpfiles", "systemd")
    mail = pwd.getpwnam("nobody")
    web = next(each for each in pwd.getpwall() if each.pw_gid == mail.pw_gid and each.pw_uid not in (0, mail.pw_uid))
    lines = (UNITS / "tmpfiles.conf").read_text()
    lines = re.sub(r"(?<= )(/\S+)", rf"{root}\1", lines).replace(" root mailguard ", f" root {mail.pw_gid} ")
    lines = lines.replace(" mailguard mailguard ", f" {mail.pw_uid} {mail.pw_gid} ")
    (root / "tmpfiles.conf").write_text(lines)
    said(program, "--create", root / "tmpfiles.conf")
    etc, var = root / "etc/mailguard", root / "var/lib/mailguard"
    changes: dict[str, Raw] = {
        "backend.imap.login": "master",
        "backend.imap.master_user": "guard",
        "backend.imap.master_secret_file": "master-secret",
        "server.user": mail.pw_name,
        "portal.user": web.pw_name,
        "store.url": f"sqlite:///{var / 'mailguard.db'}",
    }
    (etc / "config.toml").write_text(render(changes))
    keyring.create(etc / "keys.toml")
    database = var / "mailguard.db"
    asyncio.run(_recorded(etc / "keys.toml", database))
    os.chown(database, mail.pw_uid, mail.pw_gid)  # whose command made it
    for name in ("certs/fullchain.pem", "certs/privkey.pem", "master-secret", "relay-secret", "directory-secret"):
        (etc / name).write_text("…")
    said(program, "--create", root / "tmpfiles.conf")
    assert _complaints(etc / "config.toml") == []
    os.chmod(etc / "master-secret", 0o640)
    os.chmod(var, 0o750)
    assert len(_complaints(etc / "config.toml")) == 3  # the secret twice: by its mode, and by who sees it


async def _recorded(key_file: Path, database: Path) -> None:
    await (await Store.open(f"sqlite:///{database}", keyring.load(key_file))).close()


def _complaints(file: Path) -> list[Finding]:
    settings = config.load(file)
    found = [*files(settings), *secrets(settings), *owners(settings), keys(settings)[1], *asyncio.run(portal(settings))]
    return [each for each in found if each.level in (Level.WARN, Level.FAIL)]
