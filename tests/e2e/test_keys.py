"""A rotation by the real command, while the real guard serves with two workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth.attempt import MailProtocol
from tests.e2e.clients import Login
from tests.e2e.daemon import free_ports
from tests.e2e.guard import KEYS, Guard, configure, serving
from tests.e2e.programs import answered, entered, granted
from tests.e2e.stack import Stack


@pytest.fixture(scope="module")
def guard(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    with serving(stack, tmp_path_factory.mktemp("rotation"), "master") as guard:
        yield guard


async def test_sessions_stay_and_logins_go_on_through_a_rotation(guard: Guard) -> None:
    person = await guard.enrolled()
    secret = await guard.issued(person.user)
    device = Login(person.user.name, secret)
    inside = await entered(guard, MailProtocol.IMAP, device)
    mark = guard.log.mark()
    guard.cli("keys", "rotate")
    for protocol in (*MailProtocol, *MailProtocol):
        assert granted(await answered(guard, protocol, device)), "by whichever ring the worker has"
    guard.log.wait_for(r'"keys read again"(.|\n)*"keys read again"', mark)
    typed = person.login()
    for protocol in (*MailProtocol, *MailProtocol):  # the code's string opens a grant under the new generation
        assert granted(await answered(guard, protocol, typed))
        assert granted(await answered(guard, protocol, device))
    assert await inside.alive()
    inside.close()
    new, old = json.loads(guard.cli("keys", "list", "--json"))
    assert (new["newest"], new["grants"], old["accounts"], old["app_passwords"]) == (True, 1, 0, 1)


def test_another_key_file_stops_the_start_and_every_command(guard: Guard, tmp_path: Path) -> None:
    there = configure(guard.stack, tmp_path, "master", ports=free_ports(4))
    keyring.create(tmp_path / KEYS)
    assert guard.run("account", "add", "ann@example.org", configuration=there).returncode == 0
    (tmp_path / KEYS).unlink()
    assert guard.run("account", "list", configuration=there).returncode == 3
    keyring.create(tmp_path / KEYS)
    for command in (("serve",), ("account", "list"), ("keys", "list"), ("keys", "rotate")):
        done = guard.run(*command, configuration=there)
        assert done.returncode == 3, done
        assert "the key file holds no generation" in done.stderr
