"""The hook that a renewal runs: whoever connects then sees the new certificate, and nobody loses a session."""

from __future__ import annotations

import grp
import os
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from mailguard.auth.attempt import MailProtocol
from tests.deploy.tools import DEPLOY, needed
from tests.e2e.guard import Guard, serving
from tests.e2e.programs import entered
from tests.e2e.scripted import Passwords, Stage, names
from tests.e2e.test_signals import AT_ONCE, fingerprint, served
from tests.support.certs import Authority, Issued

HOOK = DEPLOY / "acme/mailguard-deploy"


@pytest.fixture
def certs(tmp_path: Path, localhost: Issued) -> Path:
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "fullchain.pem").write_bytes(localhost.certificate.read_bytes())
    (folder / "privkey.pem").write_bytes(localhost.key.read_bytes())
    return folder


@pytest.fixture
def guard(authority: Authority, localhost: Issued, tmp_path: Path, certs: Path) -> Iterator[Guard]:
    stage = Stage(authority, localhost, Passwords(names(5)))
    pair = {"certificate": str(certs / "fullchain.pem"), "private_key": str(certs / "privkey.pem")}
    with stage.playing(), serving(stage.stack, tmp_path, "own", {**AT_ONCE, "tls": pair}) as guard:
        yield guard


def lineage(folder: Path, certificate: Issued) -> Path:
    """As certbot leaves it: live/NAME, of links."""
    live = folder / "live/mail.example.org"
    live.mkdir(parents=True)
    (live / "fullchain.pem").symlink_to(certificate.certificate)
    (live / "privkey.pem").symlink_to(certificate.key)
    return live


def renew(certs: Path, reload: str, *pair: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    needed("openssl", "openssl")
    own: Mapping[str, str] = {
        "MAILGUARD_CERTS": str(certs),
        "MAILGUARD_GROUP": grp.getgrgid(os.getegid()).gr_name,
        "RELOAD": reload,
        "PATH": "/usr/bin:/bin",
    }
    return subprocess.run([HOOK, *pair], env={**own, **environment}, capture_output=True, text=True, check=False)


def content(certs: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in certs.iterdir()}


def modes(certs: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in certs.iterdir()}


async def test_a_renewed_certificate_is_served_without_a_dropped_session(
    guard: Guard, authority: Authority, certs: Path, tmp_path: Path
) -> None:
    inside = [await entered(guard, protocol, (await guard.enrolled()).login()) for protocol in MailProtocol]
    before = served(guard)
    renewed = authority.issue("localhost", stem="renewed")
    mark = guard.log.mark()
    hup = f"kill -HUP {guard.process.pid}"
    done = renew(certs, hup, RENEWED_LINEAGE=str(lineage(tmp_path, renewed)), MAILGUARD_LINEAGE="mail.example.org")
    assert done.returncode == 0, done.stderr
    guard.log.wait_for(r'"reloaded"(.|\n)*"reloaded"', mark)
    after = served(guard)
    assert after == {fingerprint(ssl.PEM_cert_to_DER_cert(renewed.certificate.read_text()))}
    assert after != before
    assert all([await program.alive() for program in inside])
    for program in inside:
        program.close()
    assert modes(certs) == {"fullchain.pem": 0o644, "privkey.pem": 0o640}


def test_what_is_no_pair_or_has_expired_changes_nothing(authority: Authority, certs: Path) -> None:
    one, other = authority.issue("localhost", stem="one"), authority.issue("localhost", stem="other")
    old = authority.issue("localhost", stem="old", valid=timedelta(seconds=-5))
    before = content(certs)
    for certificate, key, why in ((one, other, "is not the key of"), (old, old, "has expired")):
        done = renew(certs, "false", certificate.certificate, key.key)
        assert (done.returncode, why in done.stderr) == (1, True), done.stderr
    assert content(certs) == before


def test_a_certificate_of_another_name_is_none_of_ours(authority: Authority, certs: Path, tmp_path: Path) -> None:
    live = lineage(tmp_path, authority.issue("localhost", stem="other"))
    before = content(certs)
    assert renew(certs, "false", RENEWED_LINEAGE=str(live), MAILGUARD_LINEAGE="www.example.org").returncode == 0
    assert content(certs) == before


def test_without_a_pair_it_says_how_it_is_used(certs: Path) -> None:
    done = renew(certs, "false")
    assert (done.returncode, done.stderr[:6]) == (2, "usage:")


def test_a_reload_that_fails_is_told(authority: Authority, certs: Path) -> None:
    renewed = authority.issue("localhost", stem="renewed")
    assert renew(certs, "false", renewed.certificate, renewed.key).returncode == 1
