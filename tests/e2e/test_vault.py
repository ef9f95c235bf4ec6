"""App passwords where the store wants users' own, and that password is changed at a real store in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from tests.e2e import clients
from tests.e2e.clients import Login
from tests.e2e.guard import Guard, Person, backends, serving
from tests.e2e.letters import as_sent, compose
from tests.e2e.programs import answered, granted, workers
from tests.e2e.stack import Stack, User
from tests.e2e.traces import assert_none_told

IMAP, SUBMISSION = MailProtocol.IMAP, MailProtocol.SUBMISSION
SAID = b"Your mail password has changed"
LATER = {IMAP: b"NO [UNAVAILABLE] " + SAID, SUBMISSION: b"454 4.7.0 " + SAID}
DEVICES = 5


async def _knock(guard: Guard, logins: Sequence[Login]) -> list[bytes]:
    """Every device tries both protocols, all at once."""
    pairs = [(login, protocol) for login in logins for protocol in MailProtocol]
    return await asyncio.gather(*(answered(guard, protocol, login) for login, protocol in pairs))


def _all_later(answers: Sequence[bytes]) -> bool:
    return all(answer.startswith(LATER[p]) for answer, p in zip(answers, list(MailProtocol) * DEVICES, strict=True))


async def _rows(guard: Guard, user: User) -> tuple[int, int, list[Event]]:
    """Usable app passwords, entries of the vault, and what the record tells of them."""
    async with guard.records() as records:
        name = AccountName(user.name)
        usable = [row for row in await records.app_passwords.list(name) if row.revoked_at is None]
        events = [entry.row.event for entry in await records.audit.list(user.name)]
        told = list(filter({Event.VAULT_SEALED, Event.VAULT_REFUSED}.__contains__, events))
        return len(usable), len(await records.vault.entries(name)), told


async def test_a_changed_password_and_one_sign_in_bring_five_devices_back(guard_own: Guard) -> None:
    guard, stack = guard_own, guard_own.stack
    person = await guard.enrolled()
    devices = [Login(person.user.name, await guard.issued(person.user, sealed=True)) for _ in range(DEVICES)]
    assert all(map(granted, await _knock(guard, devices)))
    assert await _rows(guard, person.user) == (DEVICES, DEVICES, [Event.VAULT_SEALED] * DEVICES)

    changed = replace(person, user=stack.changed(person.user))
    assert _all_later(await _knock(guard, devices))
    # One worker does not know what another is asking; in each of them the first device has asked for all.
    asked = stack.wrong_passwords(person.user.name)
    assert 1 <= asked <= len(workers(guard))
    for _ in range(3):
        assert _all_later(await _knock(guard, devices))
    assert stack.wrong_passwords(person.user.name) == asked
    usable, entries, told = await _rows(guard, person.user)
    assert (usable, entries, told.count(Event.VAULT_REFUSED)) == (DEVICES, DEVICES, 1)

    assert granted(await answered(guard, IMAP, changed.login()))
    answers = await _knock(guard, devices)
    assert all(map(granted, answers)), answers
    assert stack.wrong_passwords(person.user.name) == asked
    assert (await _rows(guard, person.user))[2][-1] is Event.VAULT_SEALED
    assert_none_told(guard, [changed.user.password, *(device.password for device in devices)])


@pytest.mark.parametrize(
    ("send", "read"),
    [
        pytest.param(clients.smtplib_send, clients.imaplib_read, id="smtplib-imaplib"),
        pytest.param(clients.curl_send, clients.curl_read, id="curl"),
        pytest.param(clients.msmtp_send, clients.mbsync_read, id="msmtp-mbsync"),
    ],
)
def test_real_programs_go_on_after_it(
    guard_own: Guard, send: clients.Sender, read: clients.Reader, tmp_path: Path
) -> None:
    guard, stack = guard_own, guard_own.stack
    person = guard.enrol()
    device = Login(person.user.name, guard.app_password(person.user, sealed=True))
    letter = compose(device.name, device.name)
    changed = replace(person, user=stack.changed(person.user))
    with pytest.raises(clients.Refused):
        send(guard.submission(), device, letter, tmp_path)
    with clients.imap(guard.imap(), changed.login()) as imap:
        assert imap.noop()[0] == "OK"
    send(guard.submission(), device, letter, tmp_path)
    stack.delivered(device.name)
    assert as_sent(read(guard.imap(), device, letter, tmp_path)) == letter.content


def test_the_command_line_puts_the_password_to_the_real_store_first(guard_own: Guard, tmp_path: Path) -> None:
    guard, stack = guard_own, guard_own.stack
    user = guard.enrol().user
    issue = ("app-password", "issue", user.name, "--label", "scanner", "--json")
    refused = guard.run(*issue, text="not the password\n")
    assert refused.returncode == 1
    assert "--claim" in refused.stderr
    assert json.loads(guard.cli("app-password", "list", user.name, "--json")) == []

    (tmp_path / "secret").write_text(user.password + "\n")
    device = Login(user.name, json.loads(guard.cli(*issue, "--password-file", str(tmp_path / "secret")))["secret"])
    with clients.imap(guard.imap(), device) as imap, clients.smtp(guard.submission(), device) as smtp:
        assert imap.select()[0] == "OK"
        assert smtp.noop()[0] == 250

    changed = stack.changed(user)
    with pytest.raises(clients.Refused, match="UNAVAILABLE"), clients.imap(guard.imap(), device):
        pass
    (row,) = json.loads(guard.cli("app-password", "list", user.name, "--json"))
    assert row["store_password"].startswith("refused 20")
    renewed = guard.cli("app-password", "renew", user.name, text=changed.password + "\n")
    assert renewed == f"renewed 1 app password of {user.name}\n"
    with clients.imap(guard.imap(), device) as imap, clients.smtp(guard.submission(), device) as smtp:
        assert imap.select()[0] == "OK"
        assert smtp.noop()[0] == 250


@pytest.fixture(scope="module")
def mixed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """IMAP opens with the user's own password, submission with the master's."""
    folder = tmp_path_factory.mktemp("mixed")
    submission = backends(stack, "master")["submission"]
    identity = {"backend": {"host": "localhost", "port": stack.identity_port, "ca": str(stack.ca)}}
    overrides = {"backend": {"submission": submission}, "identity": identity}
    with serving(stack, folder, "own", overrides) as guard:
        yield guard


@pytest.mark.parametrize("protocol", MailProtocol)
async def test_each_protocol_by_itself(mixed: Guard, protocol: MailProtocol) -> None:
    """The master's door never minds; a sign-in at either door renews what the other one needs."""
    person = await mixed.enrolled()
    device = Login(person.user.name, await mixed.issued(person.user, sealed=True))
    for each in MailProtocol:
        assert granted(await answered(mixed, each, device))
    changed: Person = replace(person, user=mixed.stack.changed(person.user))
    assert (await answered(mixed, IMAP, device)).startswith(LATER[IMAP])
    assert granted(await answered(mixed, SUBMISSION, device))
    assert granted(await answered(mixed, protocol, changed.login()))
    for each in MailProtocol:
        assert granted(await answered(mixed, each, device))
