"""The ground that the runs share: a guard before the scripted store, and crowds of clients."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import clients
from bench.clients import Credential, Imap
from bench.meter import Meter
from bench.progress import Progress
from bench.records import filled
from tests.e2e.guard import DATABASE, Guard, Tables, serving
from tests.e2e.stack import Stack

ADDRESSES = tuple(f"127.0.{third}.{fourth}" for third in range(10, 20) for fourth in range(1, 201))
Door = tuple[str, int]
"""A client's own address and port."""

SETTLE = 3.0  # seconds in which batches are written and the record is sealed


@dataclass(frozen=True, slots=True)
class Ground:
    """A running guard and who may log in."""

    guard: Guard
    meter: Meter
    credentials: Sequence[Credential]
    tls: ssl.SSLContext
    progress: Progress

    async def enter(self, number: int, source: str) -> Imap:
        """A session of its own for the client of that number."""
        session = await clients.imap(self.guard.imap_port, self.tls, source)
        try:
            await session.enter(self.credentials[number % len(self.credentials)])
        except BaseException:
            session.abort()
            raise
        return session

    def workers(self) -> dict[Door, int]:
        """Which process has which client's session."""
        path = self.guard.configuration.parent / DATABASE
        with contextlib.closing(sqlite3.connect(path)) as records:
            found = records.execute("SELECT address, port, pid FROM sessions").fetchall()
        return {(address, port): pid for address, port, pid in found}

    async def crowd(self, count: int, at_once: int, what: str) -> list[Imap]:
        """So many sessions, from many addresses, so many of them coming at a time."""
        sessions: list[Imap] = []
        numbers = iter(range(count))

        async def worker() -> None:
            for number in numbers:
                sessions.append(await self.enter(number, ADDRESSES[number % len(ADDRESSES)]))
                if len(sessions) % 500 == 0:
                    self.progress.say(f"{what}: {len(sessions)} of {count}")

        await asyncio.gather(*(worker() for _ in range(at_once)))
        return sessions


@contextlib.contextmanager
def ground(
    stack: Stack,
    folder: Path,
    progress: Progress,
    overrides: Tables | None = None,
    *,
    accounts: int = 1000,
    portal: bool = False,
) -> Iterator[Ground]:
    """A guard of two workers, with default caps, and accounts with an app password each."""
    folder.mkdir()
    with serving(stack, folder, "master", overrides, portal=portal) as guard:
        names = (f"u{number}@example.org" for number in itertools.count(1))
        credentials = filled(folder, itertools.islice(names, accounts))
        yield Ground(guard, Meter(guard.process.pid), credentials, clients.context(stack.ca), progress)


@contextlib.asynccontextmanager
async def held(sessions: Sequence[Imap]) -> AsyncIterator[None]:
    """Hang up at the end, all at once."""
    try:
        yield
    finally:
        for session in sessions:
            session.abort()
