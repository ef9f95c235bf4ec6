"""`mailguard check` before real daemons: quiet where the set-up is sound, and exact where it is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mailguard import keyring
from tests.e2e.guard import Tables, configure
from tests.e2e.stack import Stack

TIMEOUT = 110  # Dovecot lets whoever failed five times wait for 15 s
OF_THIS_MACHINE = ("synchronised", "days left", "beside the database")
"""What is wrong with the machine and the certificates of the tests themselves."""


def letters(stack: Stack, folder: Path, login: str) -> dict[str, Any]:
    """Letters go out by the store as master, or else by a relay that wants to know who we are."""
    sender = stack.user()
    notify: dict[str, Any] = {"from": sender.name, "organisation": "desk@elsewhere.example"}
    if login == "own":
        secret = folder / "relay-secret"
        secret.write_text(sender.password)
        secret.chmod(0o600)
        relay = {"host": "localhost", "port": stack.submission_starttls_port, "ca": str(stack.ca)}
        notify["relay"] = {**relay, "user": sender.name, "secret_file": secret.name}
    return notify


def wrong(stack: Stack, folder: Path, login: str, overrides: Tables | None = None) -> tuple[int, list[Any]]:
    """The exit code, and the findings about the stores that are not in order."""
    tables = {"notify": letters(stack, folder, login), **(overrides or {})}
    path = configure(stack, folder, login, ports=[0, 0, 0, 0], overrides=tables)
    keyring.create(folder / "keys.toml")
    command = [sys.executable, "-m", "mailguard", "--config", str(path), "check", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.stdout, done.stderr
    found = [row for row in json.loads(done.stdout) if row["level"] in ("warn", "fail")]
    return done.returncode, [row for row in found if not any(words in row["what"] for words in OF_THIS_MACHINE)]


@pytest.mark.parametrize("login", ["own", "master"])
def test_a_sound_set_up_passes(stack: Stack, tmp_path: Path, login: str) -> None:
    assert wrong(stack, tmp_path, login, {"throttle": {"failure_delay": "25s"}}) == (0, [])


def test_the_naive_same_host_set_up_and_a_short_delay_are_found(stack: Stack, tmp_path: Path) -> None:
    port = stack.submission_naive_port
    overrides = {"backend": {"submission": {"port": port}}, "throttle": {"failure_delay": "0.1s"}}
    code, found = wrong(stack, tmp_path, "own", overrides)
    (relaying,) = [row for row in found if "relays for us without a login" in row["what"]]
    assert (code, relaying["level"]) == (1, "fail")
    assert "mynetworks" in relaying["remedy"]
    slow = [row for row in found if "longer than throttle.failure_delay" in row["what"]]
    assert [row["what"].partition(" ")[0] for row in slow] == ["imap", "submission"]
    assert all("write failure_delay" in row["remedy"] for row in slow)
    assert all("anvil-auth-penalty" in row["remedy"] for row in slow)


def test_a_postfix_that_offers_us_xclient_is_found(stack: Stack, tmp_path: Path) -> None:
    port = stack.submission_xclient_port
    code, found = wrong(
        stack, tmp_path, "own", {"backend": {"submission": {"port": port}}, "throttle": {"failure_delay": "25s"}}
    )
    (offering,) = found
    assert (code, offering["level"], "offers XCLIENT" in offering["what"]) == (1, "fail", True)
    assert "smtpd_authorized_xclient_hosts" in offering["remedy"]
