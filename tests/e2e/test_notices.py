"""Owners hear of what happens to their accounts: by a real Postfix, at an address that a thief does not read."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import shutil
import tempfile
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth import totp
from mailguard.auth.accounts import AccountName
from mailguard.auth.notices import SECOND_ADDRESS_WAITS
from mailguard.store import Store
from tests.e2e import clients, postfix
from tests.e2e.clients import Door, Login
from tests.e2e.daemon import Log, eventually, free_ports, running
from tests.e2e.guard import ACTOR, DATABASE, KEYS, Guard, serving
from tests.e2e.stack import Stack, User
from tests.store.words import sql
from tests.support.certs import Issued

SENT = [(1, 1, None, "")]
OUR_LETTERS = ("HEADER", "Auto-Submitted", "auto-generated")


async def _told_at(guard: Guard, owner: User, elsewhere: str) -> None:
    """Give the owner an account and a second address that has waited long enough."""
    folder = guard.configuration.parent
    then = time.time() - SECOND_ADDRESS_WAITS - 60
    store = await Store.open(f"sqlite:///{folder / DATABASE}", keyring.load(folder / KEYS), now=lambda: then)
    try:
        name = AccountName(owner.name)
        await store.accounts.add(name, actor=ACTOR)
        await store.addresses.add(name, elsewhere, actor=ACTOR)
        await store.notices.shelve("of no interest here")
    finally:
        await store.close()


async def _add_factor(guard: Guard, owner: User) -> None:
    async with guard.records() as store:
        device = await store.devices.enrol(AccountName(owner.name), "my phone", totp.new_seed(), actor=ACTOR)
        await store.devices.confirm(device.id, 1, actor=ACTOR)


def _letters(stack: Stack, reader: User) -> list[EmailMessage]:
    """What this user finds in the inbox, looked at without the guard."""
    with clients.imap(Door(stack.imap_own_port, "implicit", stack.ca), Login(reader.name, reader.password)) as imap:
        imap.select()
        numbers = imap.search(None, *OUR_LETTERS)[1][0].split()
        contents = [imap.fetch(number.decode(), "(BODY.PEEK[])")[1][0] for number in numbers]
    found = [email.message_from_bytes(each[1], policy=email.policy.default) for each in contents if each is not None]  # type: ignore[arg-type]
    return [each for each in found if isinstance(each, EmailMessage)]


def test_a_new_authenticator_is_told_at_the_second_address(stack: Stack, tmp_path: Path) -> None:
    sender, owner, elsewhere = stack.user(), stack.user(), stack.user()
    with serving(stack, tmp_path, "master", {"notify": {"from": sender.name}}) as guard:
        asyncio.run(_told_at(guard, owner, elsewhere.name))
        mark = stack.logs["own"].mark()
        asyncio.run(_add_factor(guard, owner))
        stack.delivered(elsewhere.name, mark)
        (letter,) = _letters(stack, elsewhere)
        assert letter["From"].addresses[0].addr_spec == sender.name
        assert letter["To"] == elsewhere.name
        assert letter["Subject"] == f"{owner.name}: an authenticator was added"
        assert '"my phone"' in letter.get_content()
        assert _letters(stack, owner) == []
        found = guard.run("check", "--json").stdout
        assert f"go out as {sender.name}" in found
        recorded = guard.cli("audit", "list", owner.name)
        assert f"factor-added to {elsewhere.name}" in recorded


@pytest.fixture
def second_postfix(stack: Stack, localhost: Issued) -> Iterator[tuple[int, list[str], Log]]:
    """A relay of the organisation's own: its port, how to run it, its log. It does not run yet."""
    folder = Path(tempfile.mkdtemp(prefix="mailguard-relay-"))
    try:
        folder.chmod(0o755)
        (port,) = free_ports(1)
        own = stack.logs["own"].path.parent
        sasl = stack.logs["sasl"].path.parent / "run/postfix-auth"
        service = postfix.Service(port, "starttls", sasl, ("smtpd_sender_restrictions=",))
        yield port, postfix.command(folder, localhost, own / "run/lmtp", [service]), Log(folder / "log")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_while_postfix_is_down_a_letter_waits_and_comes_afterwards_once(
    stack: Stack, tmp_path: Path, second_postfix: tuple[int, list[str], Log]
) -> None:
    port, command, log = second_postfix
    sender, owner, desk = stack.user(), stack.user(), stack.user()
    secret = tmp_path / "relay-secret"
    secret.write_text(sender.password)
    secret.chmod(0o600)
    relay = {"host": "localhost", "port": port, "ca": str(stack.ca), "user": sender.name, "secret_file": str(secret)}
    notify = {"from": sender.name, "organisation": desk.name, "relay": relay}
    with serving(stack, tmp_path, "own", {"notify": notify}) as guard:
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            loop.run_until_complete(guard.enrolled(owner))
        guard.log.wait_for("letters cannot be sent", timeout=30)
        with running(command, log=log, ports=[port]):
            mark = stack.logs["own"].mark()
            sql(guard.configuration.parent / DATABASE, "UPDATE notices SET next_at = 0")  # a minute later
            assert eventually(lambda: _outbox(tmp_path) == SENT, 30), _outbox(tmp_path)
            stack.delivered(desk.name, mark)
            guard.log.wait_for("letters are sent again", timeout=30)
            (letter,) = _letters(stack, desk)
    assert letter["Subject"] == f"{owner.name}: an authenticator was added"
    assert _outbox(tmp_path) == SENT


def _outbox(folder: Path) -> list[tuple[object, ...]]:
    """Of each letter: whether it was tried again, whether it was sent, when it is tried next, and what was wrong."""
    return sql(folder / DATABASE, "SELECT tries > 1, sent_at IS NOT NULL, next_at, error FROM notices")
