"""A flood of sign-ins at the portal leaves mail logins unhurt."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailguard.auth.accounts import AccountName
from tests.e2e.clients import Door, Login, imap
from tests.e2e.guard import ACTOR, Guard, serving
from tests.e2e.stack import Stack
from tests.e2e.surfing import browser
from tests.web.conftest import sign_in

AT_ONCE = 24
LOGINS = 12


@pytest.fixture(scope="module")
def guard(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    with serving(stack, tmp_path_factory.mktemp("flood"), "master", portal=True) as running:
        yield running


def read_mail(door: Door, login: Login) -> str:
    with imap(door, login) as session:
        return str(session.noop()[0])


async def test_app_passwords_open_mailboxes_while_others_guess_at_the_portal(guard: Guard) -> None:
    user = guard.stack.user()
    async with guard.records() as store:
        await store.accounts.add(AccountName(user.name), actor=ACTOR)
    login = Login(user.name, await guard.issued(user))
    over, tried = asyncio.Event(), [0] * AT_ONCE

    async def guess(number: int, threads: ThreadPoolExecutor) -> None:
        """Every other one at the name of whoever reads mail meanwhile."""
        while not over.is_set():
            stranger = browser(guard, threads)
            name = user.name if number % 2 else f"nobody{number}-{tried[number]}@example.org"
            await sign_in(stranger, "123456", name=name, password=f"wrong{number}-{tried[number]}")
            assert "__Host-mailguard" not in stranger.cookies
            tried[number] += 1

    with ThreadPoolExecutor(AT_ONCE) as threads:
        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(guess(number, threads))
            for _ in range(LOGINS):
                said = await asyncio.gather(*(asyncio.to_thread(read_mail, guard.imap(), login) for _ in range(2)))
                assert said == ["OK", "OK"]
            over.set()
    assert all(tried)
