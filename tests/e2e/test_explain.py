"""`mailguard explain` after real logins: ten troubles, each told so that somebody knows the next step."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from mailguard import keyring
from mailguard.auth.accounts import AccountName, AppPassword
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.passwords import digest_app_password, generate_app_password
from mailguard.explain.case import Case, read
from mailguard.explain.paragraph import Words
from mailguard.explain.troubles import Kind, Trouble
from mailguard.explain.words import paragraph, summary
from mailguard.store import new_id
from tests.e2e.clients import Door, Login, Refused, imap, imap_connection, smtp
from tests.e2e.daemon import eventually
from tests.e2e.guard import ACTOR, KEYS, Guard, serving
from tests.e2e.stack import Stack, User

OVERRIDES = {
    "throttle": {"failure_delay": "0.1s"},
    "identity": {"questions": "3/30m"},
    "policy": {"group": {"strict": {"two_factor": "enforce"}}},
}


@pytest.fixture(scope="module")
def guard(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """A guard that refuses quickly, with a group that must have a second factor."""
    with serving(stack, tmp_path_factory.mktemp("explain"), "own", OVERRIDES) as guard:
        yield guard


def turned_away(door: Door, login: Login) -> None:
    with pytest.raises(Refused), imap(door, login):
        pass


def told_of(guard: Guard, name: str) -> Case:
    """What `explain` reads. A command line takes a second to start: one test asks it, the others do not."""

    async def work() -> Case:
        async with guard.records() as store:
            return await read(store, AccountName(name), time.time() - 3600, time.time())

    return asyncio.run(work())


def only(guard: Guard, name: str, kind: Kind) -> tuple[Trouble, Words]:
    case = told_of(guard, name)
    (found,) = case.troubles
    assert found.kind is kind
    return found, paragraph(found, case)


def added(guard: Guard, group: str = "") -> User:
    """A user with an account."""
    user = guard.stack.user()

    async def work() -> None:
        async with guard.records() as store:
            await store.accounts.add(AccountName(user.name), actor=ACTOR, group=group)

    asyncio.run(work())
    return user


def test_a_phone_with_an_old_password(guard: Guard) -> None:
    user, source = added(guard), guard.stack.address()
    for _ in range(3):
        turned_away(guard.imap(source=source), Login(user.name, "of last year"))
    found, said = only(guard, user.name, Kind.STALE_PASSWORD)
    assert (found.times, found.addresses) == (3, (source,))
    assert f"at {source}, reading mail (IMAP), was turned away 3 times" in said.text
    assert "still holds an old one" in said.text
    assert f"mailguard account unlock {user.name}" in said.commands
    told = json.loads(guard.cli("explain", user.name, "--json"))
    assert [each["text"] for each in told["troubles"]] == [said.text]
    text = guard.cli("explain", user.name)
    assert said.text in text
    assert all(f"    {command}\n" in text for command in said.commands)
    with imap(guard.imap(source=source), Login(user.name, user.password)):
        pass
    assert "All of it seems to be over" in summary(told_of(guard, user.name)).text


def test_a_phone_whose_clock_is_wrong(guard: Guard) -> None:
    person, other = guard.enrol(), guard.enrol()
    turned_away(guard.imap(), person.login(steps=-8))
    found, said = only(guard, person.user.name, Kind.WRONG_CLOCK)
    assert found.drift in (-240, -270)  # a step later where one began meanwhile
    assert "minutes behind the guard's" in said.text
    with imap(guard.imap(), other.login()):
        pass
    _, said = only(guard, person.user.name, Kind.WRONG_CLOCK)
    assert "the phone's is wrong: switch on automatic date and time" in said.text
    assert person.user.password not in said.text


def test_a_revoked_device(guard: Guard) -> None:
    user = added(guard)
    secret = guard.app_password(user, sealed=True)
    with imap(guard.imap(), Login(user.name, secret)) as client:
        client.xatom("ID", '("name" "K-9 Mail" "version" "6")')
    assert eventually(lambda: _clients(guard, user) == ["K-9 Mail 6"], 30), _clients(guard, user)
    asyncio.run(_revoke(guard, user))
    turned_away(guard.imap(), Login(user.name, secret))
    _, said = only(guard, user.name, Kind.REVOKED)
    assert said.text.startswith("The program “K-9 Mail 6” with the app password “test”, at 127.0.0.1")
    assert "it is still switched on" in said.text


def _clients(guard: Guard, user: User) -> list[str]:
    """By what programs the app passwords were last used, as far as the workers have written it down."""

    async def work() -> list[str]:
        async with guard.records() as store:
            return [each.last_client for each in await store.app_passwords.list(AccountName(user.name))]

    return asyncio.run(work())


async def _revoke(guard: Guard, user: User) -> None:
    async with guard.records() as store:
        assert await store.app_passwords.revoke_all(AccountName(user.name), actor=ACTOR) == 1


def test_an_app_password_used_where_it_is_not_meant_for(guard: Guard) -> None:
    user = added(guard)
    secret = guard.app_password(user, MailProtocol.IMAP, sealed=True)
    with pytest.raises(Refused), smtp(guard.submission(), Login(user.name, secret)):
        pass
    _, said = only(guard, user.name, Kind.WRONG_SCOPE)
    assert "but not for submission. It is for reading mail (IMAP)." in said.text


def test_an_expired_app_password(guard: Guard) -> None:
    user = added(guard)
    secret = asyncio.run(_run_out(guard, user))
    turned_away(guard.imap(), Login(user.name, secret))
    _, said = only(guard, user.name, Kind.EXPIRED)
    assert "Its app password has run out at" in said.text


async def _run_out(guard: Guard, user: User) -> str:
    name, secret, now = AccountName(user.name), generate_app_password(), time.time()
    digest = digest_app_password(keyring.load(guard.configuration.parent / KEYS), secret.reveal())
    async with guard.records() as store:
        account = await store.accounts.get(name)
        assert account is not None
        scope = frozenset(MailProtocol)
        made = AppPassword(new_id(), account.id, "printer", scope, created_at=now - 90, expires_at=now - 9)
        await store.app_passwords.issue(name, made, digest, actor=ACTOR, limit=20)
    return secret.reveal().decode()


def test_a_vault_with_an_old_password(guard: Guard) -> None:
    user, source = added(guard), guard.stack.address()
    secret = guard.app_password(user, sealed=True)
    guard.stack.changed(user)
    turned_away(guard.imap(source=source), Login(user.name, secret))
    _, said = only(guard, user.name, Kind.VAULT_STALE)
    assert "Have the owner sign in once with the new password" in said.text
    assert said.commands == (f"mailguard app-password renew {user.name}",)


def test_a_code_that_is_replayed(guard: Guard) -> None:
    person = guard.enrol()
    login = person.login()
    with imap(guard.imap(), login):
        turned_away(guard.imap(source=guard.stack.address()), login)
    _, said = only(guard, person.user.name, Kind.REPLAY)
    assert "somebody has seen what was typed" in said.text
    assert f"mailguard session end --account {person.user.name}" in said.commands


def test_a_policy_that_demands_a_second_factor(guard: Guard) -> None:
    user = added(guard, "strict")
    turned_away(guard.imap(source=guard.stack.address()), Login(user.name, user.password))
    _, said = only(guard, user.name, Kind.FACTOR_DEMANDED)
    assert "must have a second factor and has none" in said.text
    assert f"mailguard totp enrol {user.name}" in said.commands


def test_an_office_that_has_to_wait(guard: Guard) -> None:
    bob, source = added(guard), guard.stack.address()
    for number in range(3):
        turned_away(guard.imap(source=source), Login(bob.name, f"guess {number}"))
    case = told_of(guard, bob.name)
    assert [each.kind for each in case.troubles] == [Kind.THROTTLED, Kind.STALE_PASSWORD]
    said = paragraph(case.troubles[0], case)
    assert "Too many different wrong passwords" in said.text
    assert f"mailguard account unlock {bob.name}" in said.commands


@contextlib.contextmanager
def forwarded(port: int) -> Iterator[socket.socket]:
    """A way to the store that can be closed in the middle."""

    def copy(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection(("127.0.0.1", port))
                ends.extend((here, there))
                for pair in ((here, there), (there, here)):
                    thread = threading.Thread(target=copy, args=pair, daemon=True)
                    threads.append(thread)
                    thread.start()

    ends: list[socket.socket] = []
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield listener
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(5)
            for end in ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)
            for end in ends:
                end.close()


def test_a_store_that_is_down(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> None:
    with forwarded(stack.imap_own_port) as way:
        overrides = {**OVERRIDES, "backend": {"imap": {"port": way.getsockname()[1]}}}
        with serving(stack, tmp_path_factory.mktemp("down"), "own", overrides) as guard:
            user = added(guard)
            with imap_connection(guard.imap()) as client:
                way.shutdown(socket.SHUT_RDWR)
                way.close()
                with pytest.raises(client.error):
                    client.login(user.name, user.password)
            _, said = only(guard, user.name, Kind.STORE_DOWN)
            assert "their credentials were not at fault" in said.text
            assert "Nobody has to type anything anew" in said.text
            assert said.commands == ("mailguard check",)


def test_an_address_that_nobody_has_and_one_that_is_well(guard: Guard) -> None:
    nobody = "nobody-at-all@example.org"
    assert "nobody tried to sign in by that name" in summary(told_of(guard, nobody)).text
    turned_away(guard.imap(source=guard.stack.address()), Login(nobody, "secret"))
    only(guard, nobody, Kind.NO_ACCOUNT)
    assert f"mailguard account add {nobody}" in summary(told_of(guard, nobody)).commands
    user = added(guard)
    assert "no program reached the guard" in summary(told_of(guard, user.name)).text
    with imap(guard.imap(), Login(user.name, user.password)):
        pass
    assert summary(told_of(guard, user.name)).text.startswith(f"All is well with {user.name}")
