"""Logins where a directory checks users' own passwords: a whole worker, a real slapd, scripted mail stores."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailguard.auth.accounts import AccountName, AppPassword, SuspendedBy
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.passwords import digest_app_password, generate_app_password
from mailguard.store import new_id
from tests.e2e.daemon import free_ports
from tests.e2e.guard import toml
from tests.e2e.slapd import FAILURES, STAFF, DirectoryUser, Slapd
from tests.support.certs import Authority, Issued
from tests.support.hostile_store import ImapStore
from tests.support.worker import MASTER, MASTER_SECRET, OPERATOR, Client, Running, eventually, running

FAILED = b"a NO [AUTHENTICATIONFAILED] Sign-in failed"
LATER = b"a NO [UNAVAILABLE]"
GROUPS = [{"group": STAFF, "policy": "staff"}]


@dataclass(frozen=True)
class Scene:
    """A worker, the directory that it asks, and somebody with an entry there."""

    running: Running
    slapd: Slapd
    user: DirectoryUser

    async def log_in(self, password: str, *, source: str = "127.0.0.1") -> tuple[Client, bytes]:
        client = await self.running.client(source=source)
        return client, await client.log_in(password, name=self.user.name)

    async def answer(self, password: str, *, source: str = "127.0.0.1") -> bytes:
        client, line = await self.log_in(password, source=source)
        client.close()
        return line

    async def app_password(self) -> str:
        account = await self.running.records.accounts.get(AccountName(self.user.name))
        assert account is not None
        secret = generate_app_password()
        row = AppPassword(new_id(), account.id, "phone", frozenset({MailProtocol.IMAP}), created_at=account.created_at)
        digest = digest_app_password(self.running.ring, secret.reveal())
        await self.running.records.app_passwords.issue(account.name, row, digest, actor=OPERATOR)
        return secret.reveal().decode()


Start = Callable[..., AbstractAsyncContextManager[Scene]]


@pytest.fixture
def start(slapd: Slapd, tmp_path: Path, authority: Authority, localhost: Issued) -> Start:
    """Start a worker that asks the directory, before a mail store that knows the user by `at_store`, or by a master."""

    @asynccontextmanager
    async def started(
        *,
        at_store: str | None = None,
        recheck: str = "0",
        questions: str = "4/30m",
        store_no: str = "%t NO [AUTHENTICATIONFAILED] no",
        **changes: object,
    ) -> AsyncIterator[Scene]:
        user = slapd.user()
        password = user.password if at_store is None else at_store
        identity = {
            "source": "ldap",
            "recheck": recheck,
            "questions": questions,
            "ldap": slapd.table(tmp_path, **{"groups": GROUPS, **changes}),
        }
        source = toml(identity, "identity.") + toml({"policy": {"group": {"staff": {"two_factor": "enforce"}}}})
        masters = {} if at_store else {MASTER: MASTER_SECRET}
        store = ImapStore(users={user.name: password}, masters=masters, no=store_no)
        login = "own" if at_store else "master"
        async with running(tmp_path, authority, localhost, imap=store, login=login, source=source) as worker:
            yield Scene(worker, slapd, user)

    return started


async def test_under_a_master_the_directory_says_who_gets_in(start: Start) -> None:
    async with start() as scene:
        assert (await scene.answer("wrong")).startswith(FAILED)
        assert (await scene.answer(scene.user.password)).startswith(b"a OK")
        assert await scene.running.reasons() == ["unknown-account", ""]


async def test_a_group_that_must_have_a_factor_must_have_it_at_the_first_login(start: Start) -> None:
    async with start() as scene:
        scene.slapd.change(STAFF, f"add: member\nmember: {scene.user.dn}")
        assert (await scene.answer(scene.user.password)).startswith(FAILED)
        assert await scene.running.reasons() == ["second-factor-required"]
        assert await scene.running.records.accounts.get(AccountName(scene.user.name)) is None


async def test_a_directory_that_is_down_is_no_wrong_password(start: Start) -> None:
    (closed,) = free_ports(1)
    async with start(url=f"ldaps://127.0.0.1:{closed}") as scene:
        for _ in range(12):  # nothing is counted
            assert (await scene.answer(scene.user.password)).startswith(LATER)
        assert set(await scene.running.reasons()) == {"identity-unavailable"}


async def test_under_own_the_leg_opens_with_what_the_directory_took(start: Start) -> None:
    async with start(at_store="another") as scene:
        assert (await scene.answer("another")).startswith(FAILED), "the directory is asked first"
        for _ in range(5):
            assert (await scene.answer(scene.user.password)).startswith(LATER), "the store says no after its yes"
        assert await scene.running.reasons() == ["unknown-account", *["backend-refused"] * 5]
        scene.slapd.passwd(scene.user, "another")
        await scene.running.records.accounts.unlock(AccountName(scene.user.name), actor=OPERATOR)
        assert (await scene.answer("another")).startswith(b"a OK")


async def test_under_own_a_store_in_trouble_is_no_disagreement(start: Start) -> None:
    async with start(at_store="another", store_no="%t NO [UNAVAILABLE] later") as scene:
        assert (await scene.answer(scene.user.password)).startswith(LATER)
        assert await scene.running.reasons() == ["backend-unavailable"]


async def guesses(scene: Scene, count: int = 3 * FAILURES) -> list[bytes]:
    """Different wrong passwords, from as many addresses, some at once."""
    return await asyncio.gather(
        *(scene.answer(f"{secrets.token_hex(4)}", source=f"127.0.6.{number}") for number in range(1, count + 1))
    )


async def test_guesses_do_not_lock_the_account_of_the_directory(start: Start) -> None:
    async with start() as scene:
        assert (await scene.answer(scene.user.password)).startswith(b"a OK")  # a network that is known from here on
        answers = await guesses(scene)
        assert sum(line.startswith(LATER) for line in answers) >= 2 * FAILURES
        assert len(scene.slapd.read(scene.user.dn, "pwdFailureTime")) < FAILURES
        assert scene.slapd.read(scene.user.dn, "pwdAccountLockedTime") == []
        assert (await scene.answer(scene.user.password)).startswith(b"a OK"), "strangers do not shut the owner out"


async def test_without_that_bound_guesses_would_lock_it(start: Start) -> None:
    async with start(questions="100/30m") as scene:
        await guesses(scene)
        assert scene.slapd.read(scene.user.dn, "pwdAccountLockedTime") != []
        assert (await scene.answer(scene.user.password)).startswith(FAILED)


async def test_a_leaver_is_cut_off_within_the_recheck(start: Start) -> None:
    async with start(recheck="1s") as scene:
        assert (await scene.answer(scene.user.password)).startswith(b"a OK")
        secret = await scene.app_password()
        phone, line = await scene.log_in(secret)
        assert line.startswith(b"a OK")
        scene.slapd.change(scene.user.dn, "add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z")
        await phone.rest()  # ended from outside
        assert (await scene.answer(secret)).startswith(FAILED)
        assert (await scene.running.reasons())[-1] == "suspended"
        scene.slapd.change(scene.user.dn, "delete: pwdAccountLockedTime")

        async def resumed() -> bool:
            account = await scene.running.records.accounts.get(AccountName(scene.user.name))
            return account is not None and account.suspended_by is SuspendedBy.NOBODY

        await eventually(resumed)
        assert (await scene.answer(secret)).startswith(b"a OK")


async def only_one(running: Running, name: AccountName) -> bool:
    return len(await running.records.sessions.list(name)) == 1


async def test_a_password_changed_at_the_directory_ends_what_the_old_one_opened(start: Start) -> None:
    async with start(recheck="1s") as scene:
        desk, line = await scene.log_in(scene.user.password)
        assert line.startswith(b"a OK")
        phone, line = await scene.log_in(await scene.app_password())
        assert line.startswith(b"a OK")
        name = AccountName(scene.user.name)

        async def looked() -> bool:
            return bool([each for each in await scene.running.records.rechecks.known() if each.mark])

        await eventually(looked)
        await asyncio.sleep(1)  # ppolicy's times have whole seconds
        scene.slapd.passwd(scene.user, "the next one")
        await desk.rest()
        await eventually(lambda: only_one(scene.running, name))
        phone.say(b"b NOOP\r\n")
        await phone.until(b"b ")
        phone.close()
