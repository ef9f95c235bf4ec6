"""What the documentation says of deploy/, and what stands there."""

from __future__ import annotations

import pytest

from tests.deploy.tools import DEPLOY, needed, said
from tests.repository.test_tree import TOP, tracked


def test_every_file_is_named_in_the_pages() -> None:
    text = "".join(page.read_text() for page in (TOP / "docs").rglob("*.md"))
    files = [file.relative_to(DEPLOY) for file in tracked("deploy")]
    assert files
    shell = "deploy/systemd/mailguard*.s*"  # units are copied by this
    named = text.replace(shell, " ".join(f"deploy/{f}" for f in files if f.match("systemd/mailguard*.s*")))
    assert [str(file) for file in files if f"deploy/{file}" not in named] == []


@pytest.mark.parametrize("script", ["acme/mailguard-deploy", "backup/mailguard-backup"])
def test_scripts_are_shell_and_can_be_run(script: str) -> None:
    assert said("/bin/sh", "-n", DEPLOY / script) == ""
    assert (DEPLOY / script).stat().st_mode & 0o111


def test_logrotate_understands_its_lines() -> None:
    told = said(needed("logrotate", "logrotate"), "--debug", DEPLOY / "logrotate/mailguard")
    assert "error" not in told, told


def test_rsyslog_understands_its_lines() -> None:
    said(needed("rsyslogd", "rsyslog"), "-N1", "-f", DEPLOY / "rsyslog/mailguard.conf")
