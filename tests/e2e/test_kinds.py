"""Leavers, shared mailboxes, services and the client lock, before real Dovecot and Postfix."""

from __future__ import annotations

import asyncio
import json

import pytest

from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from mailguard.store.audit import Recorded
from tests.e2e.clients import Login
from tests.e2e.guard import Guard
from tests.e2e.programs import Program, answered, connected, entered, failed, granted, only, workers
from tests.e2e.stack import User
from tests.support.worker import eventually


@pytest.fixture
async def desk(guard_master: Guard) -> User:
    """A shared mailbox."""
    user = guard_master.stack.user()
    await asyncio.to_thread(guard_master.cli, "account", "add", user.name, "--kind", "shared")
    return user


async def _issued(guard: Guard, name: str, *options: str, text: str = "") -> str:
    words = ("app-password", "issue", name, "--label", "test", *options, "--json")
    return str(json.loads(await asyncio.to_thread(guard.cli, *words, text=text))["secret"])


async def _told(guard: Guard, name: str, event: Event, count: int = 1) -> list[Recorded]:
    async with guard.records() as records:

        async def rows() -> list[Recorded]:
            found = [each for each in await records.audit.list(name) if each.row.event is event]
            return found if len(found) >= count else []

        return await eventually(rows)


async def _at_both_workers(guard: Guard, login: Login) -> list[Program]:
    programs = []
    for worker in workers(guard):
        with only(guard, worker):
            programs.append(await connected(guard, MailProtocol.IMAP))
    for program in programs:
        assert granted(await program.log_in(login))
    return programs


async def test_two_people_at_one_mailbox_and_one_of_them_leaves(guard_master: Guard, desk: User) -> None:
    guard = guard_master
    ann, bob = (await guard.enrolled()).user, (await guard.enrolled()).user
    await asyncio.to_thread(guard.cli, "account", "set", desk.name, "--member", ann.name, "--member", bob.name)
    hers = Login(desk.name, await _issued(guard, desk.name, "--person", ann.name))
    his = Login(desk.name, await _issued(guard, desk.name, "--person", bob.name))
    her_sessions = await _at_both_workers(guard, hers)
    his_session = await entered(guard, MailProtocol.IMAP, his)
    by_person = {row.row.person for row in await _told(guard, desk.name, Event.LOGIN_GRANTED, 3)}
    assert by_person == {ann.name, bob.name}
    ends = asyncio.gather(*(program.end() for program in her_sessions))
    await asyncio.to_thread(guard.cli, "account", "suspend", ann.name)
    (suspended,) = await _told(guard, ann.name, Event.ACCOUNT_SUSPENDED)
    assert all(end >= suspended.row.at for end in await ends)
    assert await his_session.alive()
    assert failed(await answered(guard, MailProtocol.IMAP, hers, guard.stack.address()))
    for ended in await _told(guard, ann.name, Event.SESSION_ENDED, 2):
        assert (ended.row.account, ended.row.person, ended.row.reason) == (desk.name, ann.name, "revoked")
    await asyncio.to_thread(guard.cli, "account", "remove", ann.name, "--yes")
    # It is told so only now that it is revoked: a suspension may be undone, and says nothing to strangers.
    assert b"This app password was revoked" in await answered(guard, MailProtocol.IMAP, hers, guard.stack.address())
    his_session.close()


async def test_with_login_own_an_operator_brings_the_stores_password_for_all_of_them(guard_own: Guard) -> None:
    guard, desk = guard_own, guard_own.stack.user()
    people = [(await guard.enrolled()).user.name for _ in range(2)]
    members = (option for person in people for option in ("--member", person))
    await asyncio.to_thread(guard.cli, "account", "add", desk.name, "--kind", "shared")
    await asyncio.to_thread(guard.cli, "account", "set", desk.name, *members)
    wrong = await asyncio.to_thread(
        guard.run, "app-password", "issue", desk.name, "--label", "x", "--person", people[0], text="not it\n"
    )
    assert (wrong.returncode, wrong.stdout) == (1, "")
    logins = [
        Login(desk.name, await _issued(guard, desk.name, "--person", person, text=f"{desk.password}\n"))
        for person in people
    ]
    for login in logins:
        assert granted(await answered(guard, MailProtocol.IMAP, login))
    changed = guard.stack.changed(desk)
    for login in logins:
        assert b"Your mail password has changed" in await answered(guard, MailProtocol.IMAP, login)
    await asyncio.to_thread(guard.cli, "app-password", "renew", desk.name, text=f"{changed.password}\n")
    for login in logins:
        assert granted(await answered(guard, MailProtocol.SUBMISSION, login))
    assert failed(await answered(guard, MailProtocol.IMAP, Login(desk.name, changed.password), guard.stack.address()))


@pytest.mark.parametrize("protocol", MailProtocol)
async def test_nobody_signs_in_to_a_shared_mailbox_by_its_password(
    guard_master: Guard, desk: User, protocol: MailProtocol
) -> None:
    guard = guard_master
    tried = [Login(desk.name, desk.password), Login(desk.name, "not it")]
    right, wrong = [await answered(guard, protocol, login, guard.stack.address()) for login in tried]
    assert failed(right)
    assert right == wrong
    refused = await _told(guard, desk.name, Event.LOGIN_REFUSED, 2)
    assert [each.row.reason for each in refused] == ["no-password-here", "wrong-password"]


async def test_a_service_gets_in_from_its_network_by_its_protocol_alone(guard_master: Guard) -> None:
    guard, user = guard_master, guard_master.stack.user()
    here, there = guard.stack.address(), guard.stack.address()
    await asyncio.to_thread(guard.cli, "account", "add", user.name, "--kind", "service")
    scope = ("--protocol", "submission", "--network", f"{here}/32")
    login = Login(user.name, await _issued(guard, user.name, *scope))
    program = await entered(guard, MailProtocol.SUBMISSION, login, here)
    program.close()
    for protocol, source in ((MailProtocol.SUBMISSION, there), (MailProtocol.IMAP, here)):
        answer = await answered(guard, protocol, login, source)
        assert b"not valid for this service or network" in answer
    assert failed(await answered(guard, MailProtocol.SUBMISSION, Login(user.name, user.password), here))


async def _named(guard: Guard, login: Login, name: str, source: str) -> Program:
    """A session that names itself."""
    program = await entered(guard, MailProtocol.IMAP, login, source)
    program.say(b'a ID ("name" "%b" "version" "1.0")\r\n' % name.encode())
    return program


async def test_a_client_lock_is_bound_by_the_first_name_and_trips_on_another(guard_master: Guard) -> None:
    guard, user = guard_master, (await guard_master.enrolled()).user
    secret = await _issued(guard, user.name, "--protocol", "imap", "--client-lock")
    login, source = Login(user.name, secret), guard.stack.address()
    bound = await _named(guard, login, "Thunderbird", source)
    assert (await bound.answer()).startswith(b"OK")
    (row,) = await _told(guard, user.name, Event.CLIENT_BOUND)
    assert row.row.client == "Thunderbird 1.0"
    thief = await _named(guard, login, "Thief", source)
    await thief.end()
    (refused,) = await _told(guard, user.name, Event.CLIENT_REFUSED)
    assert (refused.row.client, refused.row.origin and str(refused.row.origin.address)) == ("Thief 1.0", source)
    (ended,) = await _told(guard, user.name, Event.SESSION_ENDED)
    assert (ended.row.reason, ended.row.client) == ("client-lock", "Thief 1.0")
    again = await _named(guard, login, "Thunderbird", source)
    assert (await again.answer()).startswith(b"OK")
    silent = await entered(guard, MailProtocol.IMAP, login, source)
    assert [await program.alive() for program in (bound, again, silent)] == [True] * 3
    silent.close()
    await _told(guard, user.name, Event.CLIENT_UNNAMED)
    (listed,) = json.loads(await asyncio.to_thread(guard.cli, "app-password", "list", user.name, "--json"))
    assert (listed["client_bound"], listed["revoked"]) == ("Thunderbird", None)
    bound.close()
    again.close()
