"""Clients that come, log in, say a word and leave, one after the other, while something happens to the guard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import MailProtocol
from mailguard.net.stream import connect
from mailguard.net.tls import client_context
from tests.e2e.clients import Login
from tests.e2e.guard import ACTOR, Guard
from tests.e2e.programs import PATIENCE, entered

AT_ONCE = 6
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@dataclass
class Load:
    """What came of them so far."""

    served: int = 0
    failed: list[BaseException] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def more(self, count: int = 2 * AT_ONCE) -> None:
        """Wait until so many more were served: some of them came after this call."""
        wanted = self.served + count
        async with asyncio.timeout(PATIENCE), self.came:
            await self.came.wait_for(lambda: self.served >= wanted)


async def app_password(guard: Guard) -> Login:
    """A fresh user's, which opens any number of sessions: a code opens a few."""
    user = guard.stack.user()
    async with guard.records() as records:
        await records.accounts.add(AccountName(user.name), actor=ACTOR)
    return Login(user.name, await guard.issued(user, sealed=True))


async def _page(guard: Guard) -> None:
    """One page of the portal, by a browser that has not been there before."""
    context = client_context(guard.stack.ca)
    browser = await connect(
        "127.0.0.1", guard.portal_port, context=context, server_hostname="localhost", timeout=PATIENCE
    )
    browser.write(REQUEST)
    async with asyncio.timeout(PATIENCE):
        answer = await browser.read()
    browser.abort()
    assert answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3")), answer


@asynccontextmanager
async def under_load(guard: Guard, login: Login) -> AsyncIterator[Load]:
    """Keep so many of them coming, to both doors in turn; to the portal too, where there is one."""
    load, over = Load(), asyncio.Event()

    async def mail(number: int) -> None:
        program = await entered(guard, list(MailProtocol)[number % 2], login)
        assert await program.alive()
        program.close()

    async def client(come: Callable[[], Awaitable[None]]) -> None:
        while not over.is_set():
            try:
                await come()
            except (OSError, AssertionError) as failure:
                load.failed.append(failure)
            else:
                load.served += 1
            async with load.came:
                load.came.notify_all()

    async with asyncio.TaskGroup() as group:
        for number in range(AT_ONCE):
            group.create_task(client(partial(mail, number)))
        if guard.portal_port:
            group.create_task(client(partial(_page, guard)))
        try:
            await load.more()
            yield load
        finally:
            over.set()
