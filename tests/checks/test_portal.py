"""What `check` says about the portal: its address, its certificate, its user."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard import config, keyring
from mailguard.checks.findings import Finding, Level
from mailguard.checks.portal import portal
from tests.checks.conftest import Site

ROOT_ALONE = pytest.mark.skipif(os.geteuid() != 0, reason="ONLY ROOT CAN GIVE FILES TO TWO USERS: NOT SHOWN HERE")


def about(findings: list[Finding], word: str) -> list[Finding]:
    return [each for each in findings if word in each.what]


async def test_one_user_for_both_and_nobody_there_yet_are_notes(site: Site) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        site.changes["portal.address"] = f"127.0.0.1:{unused.getsockname()[1]}"
        found = await site.found()
    assert [each.level for each in about(found, "runs as the same user")] == [Level.NOTE]
    assert [each.level for each in about(found, "nobody listens")] == [Level.NOTE]


async def test_somebody_who_listens_is_seen(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        site.changes["portal.address"] = f"127.0.0.1:{there.getsockname()[1]}"
        assert [each.level for each in about(await site.found(), "somebody listens")] == [Level.OK]


async def test_without_a_portal_there_is_nothing_to_say(site: Site) -> None:
    site.changes["portal.address"] = "none"
    found = await site.found()
    assert not about(found, "the portal")
    assert not about(found, "portal.")


async def test_the_name_that_browsers_ask_for_must_be_in_a_certificate(site: Site) -> None:
    site.changes["portal.public_url"] = "https://portal.example.net"
    (found,) = about(await site.worst(), "portal.example.net")
    assert (found.level, "get one that names portal.example.net" in found.remedy) == (Level.FAIL, True)
    site.changes["portal.proxy_from"] = ["192.0.2.1/32"]  # shows its own
    assert not about(await site.worst(), "portal.example.net")


async def test_users_that_are_not_there_are_found(site: Site) -> None:
    site.changes["portal.user"] = "no-such-user-here"
    (found,) = about(await site.worst(), "no-such-user-here")
    assert found.level is Level.FAIL


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of a fresh installation, all root's own: where other users can get, unlike pytest's."""
    made = Path(tempfile.mkdtemp(prefix="mailguard-check-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def install(folder: Path) -> config.Settings:
    mail = pwd.getpwnam("nobody")
    others = [each for each in pwd.getpwall() if each.pw_gid == mail.pw_gid and each.pw_uid not in (0, mail.pw_uid)]
    if not others:
        pytest.skip("no other user of this machine is in the group of nobody")
    folder.chmod(0o755)
    (folder / "records").mkdir(0o700)
    for name in ("key.pem", "certificate.pem", "master", "records/mailguard.db"):
        (folder / name).touch(0o600)
    keyring.create(folder / "keys.toml")
    (folder / "config.toml").write_text(
        f'[server]\nhostname = "mail.example.org"\nuser = "nobody"\n[portal]\nuser = "{others[0].pw_name}"\n'
        '[tls]\ncertificate = "certificate.pem"\nprivate_key = "key.pem"\n'
        '[store]\nurl = "sqlite:///records/mailguard.db"\n[[listen]]\nprotocol = "imap"\naddress = "0.0.0.0:993"\n'
        '[identity.backend]\nhost = "identity.internal"\nport = 993\n'
        '[backend.imap]\nhost = "store.internal"\nport = 993\nlogin = "master"\n'
        'master_user = "guard"\nmaster_secret_file = "master"\n'
    )
    return config.load(folder / "config.toml")


async def wrong(settings: config.Settings) -> list[Finding]:
    return [each for each in await portal(settings) if each.level in (Level.WARN, Level.FAIL)]


def do(finding: Finding) -> None:
    """As it says."""
    subprocess.run(finding.remedy.removeprefix("do: ").partition(";")[0], shell=True, check=True)


@ROOT_ALONE
async def test_who_does_as_each_remedy_says_is_done(folder: Path) -> None:
    settings = install(folder)
    found = await wrong(settings)
    assert {each.what.split()[0].rpartition("/")[2] for each in found} == {
        "keys.toml", "key.pem", "certificate.pem", "records", "mailguard.db",
    }  # fmt: skip
    for each in found:
        do(each)
    assert not await wrong(settings)
    keyring.load(folder / "keys.toml", shared=settings.keys_shared)
    assert (await portal(settings))[-1].level is Level.OK


@ROOT_ALONE
async def test_a_master_secret_that_the_portal_can_read_is_a_warning(folder: Path) -> None:
    settings = install(folder)
    (folder / "master").chmod(0o644)
    (found,) = [each for each in await wrong(settings) if "master" in each.what]
    assert found.level is Level.WARN
    do(found)
    assert not [each for each in await wrong(settings) if "master" in each.what]
    assert (folder / "master").stat().st_uid == pwd.getpwnam("nobody").pw_uid
