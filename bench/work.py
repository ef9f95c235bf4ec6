"""One round's work at one target, and what it cost there."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench import clients
from bench.clients import Credential, Imap
from bench.figures import quantile
from bench.targets import Column, Figures, Target, Who

MB = 1_000_000
GB = 1000 * MB
SETTLE = 0.3  # seconds in which what a login leaves behind (a goodbye, a batch of records) is done
NOWHERE = "sink@nowhere.example.net"  # the store throws it away, behind its queue
LINE = b"x" * 76 + b"\r\n"
ATTACHMENT = 4 * MB
FEW = 16


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of each. At once: so many connections."""

    logins: int
    at_once: int
    waits: int  # logins one after the other, of which the wait is taken
    megabytes: int  # of each kind of bulk
    trips: int
    idle: int


WHOLE = Amount(logins=400, at_once=8, waits=100, megabytes=200, trips=2000, idle=400)
QUICK = Amount(logins=96, at_once=8, waits=20, megabytes=20, trips=800, idle=60)


def warm(amount: Amount) -> Amount:
    """Before what is counted: everybody has been here, as on any day but the first, and all code was run."""
    return replace(amount, waits=4, megabytes=10, trips=50)


def message(size: int) -> bytes:
    """A letter of about so many octets."""
    return b"Subject: bulk\r\n\r\n" + LINE * (size // len(LINE))


async def round_of(target: Target, amount: Amount, tls: ssl.SSLContext) -> Figures:
    """All columns that this target has, the memory of idle sessions apart."""
    work = Work(target, amount, tls)
    if target.who is Who.STORE:  # what the others' waits are held against
        return {column: value for column, value in (await work.waits() | await work.trips()).items() if column.added}
    figures: Figures = {}
    figures[Column.IMAP_LOGIN] = await work.logins(target.credentials, target.imap_port)
    if target.grants:
        figures[Column.GRANT_LOGIN] = await work.logins(target.grants, target.imap_port)
    figures |= await work.waits()
    figures |= await work.bulk()
    figures |= await work.trips()
    if target.submission_port:
        figures[Column.SUBMISSION_LOGIN] = await work.logins(target.credentials, target.submission_port)
        figures[Column.SMALL] = await work.messages(MB)
        figures[Column.LARGE] = await work.messages(10 * MB)
    return figures


async def idle_memory(target: Target, amount: Amount, tls: ssl.SSLContext) -> float:
    """KiB of memory for each session that idles, at a target that has held one at a time: what many at once leave free
    in a heap would be taken first."""
    await Work(target, replace(amount, logins=FEW, at_once=1), tls).logins(target.credentials, target.imap_port)
    before = target.meter.memory()
    held: list[Imap] = []
    for credential in itertools.islice(itertools.cycle(target.credentials), amount.idle):
        session = await clients.imap(target.imap_port, tls)
        held.append(session)
        await session.enter(credential)
        await session.idle()
    await asyncio.sleep(2 * SETTLE)
    grown = target.meter.memory() - before
    for session in held:
        session.abort()
    await asyncio.sleep(SETTLE)
    return grown / amount.idle / 1024


class Work:
    """Kinds of work at one target."""

    def __init__(self, target: Target, amount: Amount, tls: ssl.SSLContext) -> None:
        self._target = target
        self._amount = amount
        self._tls = tls

    def _accounts(self, credentials: Sequence[Credential], count: int) -> list[Credential]:
        return list(itertools.islice(itertools.cycle(credentials), count))

    async def logins(self, credentials: Sequence[Credential], port: int) -> float:
        """CPU µs a login, goodbye included."""
        queue = iter(self._accounts(credentials, self._amount.logins))
        connect = clients.imap if port == self._target.imap_port else clients.submission

        async def worker() -> None:
            for credential in queue:
                session = await connect(port, self._tls)
                await session.enter(credential)
                await session.leave()

        before = self._target.meter.cpu()
        await asyncio.gather(*(worker() for _ in range(self._amount.at_once)))
        await asyncio.sleep(SETTLE)
        return (self._target.meter.cpu() - before) / self._amount.logins * 1e6

    async def waits(self) -> Figures:
        """How long a login takes from the connection to its OK, one at a time."""
        took: list[float] = []
        for credential in self._accounts(self._target.credentials, self._amount.waits):
            began = time.perf_counter()
            session = await clients.imap(self._target.imap_port, self._tls)
            await session.enter(credential)
            took.append((time.perf_counter() - began) * 1e3)
            await session.leave()
        return {Column.LOGIN_P50: quantile(took, 0.5), Column.LOGIN_P99: quantile(took, 0.99)}

    async def bulk(self) -> Figures:
        """Messages into a mailbox, and out of it."""
        letter = message(ATTACHMENT)
        times = max(1, self._amount.megabytes * MB // len(letter))
        async with clients.reading(self._target.imap_port, self._tls, self._target.credentials[0]) as session:
            await session.append(letter)
            cost = self._cost()
            for _ in range(times):
                await session.append(letter)
            append = cost() / (times * len(letter) / GB)
            await session.command("SELECT INBOX")
            cost, got = self._cost(), 0
            for _ in range(times):
                got += await session.fetch(1)
            fetch = cost() / (got / GB)
            await session.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            await session.command("EXPUNGE")
        return {Column.APPEND: append, Column.FETCH: fetch}

    async def trips(self) -> Figures:
        """A command and its answer, one after the other."""
        took: list[float] = []
        async with clients.reading(self._target.imap_port, self._tls, self._target.credentials[1]) as session:
            for _ in range(50):
                await session.command("NOOP")
            await asyncio.sleep(SETTLE)
            cost = self._cost()
            for _ in range(self._amount.trips):
                began = time.perf_counter()
                await session.command("NOOP")
                took.append((time.perf_counter() - began) * 1e6)
            each = cost() / self._amount.trips * 1e6
        return {Column.TRIP: each, Column.TRIP_P50: quantile(took, 0.5), Column.TRIP_P99: quantile(took, 0.99)}

    async def messages(self, size: int) -> float:
        """CPU s for a GB of messages of one size, in one session."""
        letter, sender = message(size), self._target.credentials[2]
        times = max(1, self._amount.megabytes * MB // size)
        async with clients.sending(self._target.submission_port, self._tls, sender) as session:
            cost = self._cost()
            for _ in range(times):
                await session.send(sender.name, NOWHERE, letter)
            return cost() / (times * len(letter) / GB)

    def _cost(self) -> Callable[[], float]:
        before = self._target.meter.cpu()
        return lambda: self._target.meter.cpu() - before
