"""How long a right app password waits while others guess, or while whoever checks passwords hangs."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from bench import clients
from bench.clients import Credential, Unexpected
from bench.figures import quantile
from bench.progress import Progress
from bench.scale.findings import Finding
from bench.scale.ground import ADDRESSES, SETTLE, Ground, ground
from tests.e2e.guard import Tables
from tests.e2e.stack import Stack

LOGINS, PACE = 600, 0.03  # right logins, and the seconds from one to the next
GUESSES = 20.0  # wrong logins a second
AT_MOST = 2.0  # times the quiet p99
QUESTIONS: Tables = {"identity": {"questions": "4/30m"}}  # the default


async def waited(stack: Stack, folder: Path, progress: Progress) -> list[Finding]:
    """Quiet, under a flood; and before a directory that hangs."""
    with ground(stack, folder / "flooded", progress, QUESTIONS) as flooded:
        await _p99(flooded, "warm-up")
        quiet = await _p99(flooded, "quiet")
        async with _guessing(flooded):
            noisy = await _p99(flooded, "under a flood of wrong logins")
    found = [
        Finding("a right app password, quiet: p99", quiet, "ms"),
        Finding(f"the same, with {GUESSES:.0f} wrong logins a second: p99", noisy, "ms"),
        Finding("the same, by the quiet one", noisy / quiet, "", AT_MOST),
    ]
    if importlib.util.find_spec("ldap") is None:
        progress.say("no python-ldap here (make ldap): nothing is said about a directory that hangs")
        return found
    with _silent() as port, ground(stack, folder / "hung", progress, _directory(port, stack)) as hung:
        await _p99(hung, "warm-up")
        calm = await _p99(hung, "directory hangs, nobody asks it")
        async with _guessing(hung):
            stuck = await _p99(hung, "directory hangs")
    return [
        *found,
        Finding("a directory that hangs, nobody asking it: p99", calm, "ms"),
        Finding(f"the same, with {GUESSES:.0f} logins a second waiting for it: p99", stuck, "ms"),
        Finding("the same, by the quiet one", stuck / quiet, "", AT_MOST),
    ]


async def _p99(ground: Ground, what: str) -> float:
    """ms from the connection to the OK, at a steady pace: who waits holds up nobody behind."""
    ground.progress.say(f"right logins: {what}")
    took: list[float] = []

    async def one(number: int) -> None:
        await asyncio.sleep(number * PACE)
        began = time.perf_counter()
        session = await ground.enter(number, ADDRESSES[0])
        took.append((time.perf_counter() - began) * 1e3)
        await session.leave()

    await asyncio.gather(*(one(number) for number in range(LOGINS)))
    return quantile(took, 0.99)


@contextlib.asynccontextmanager
async def _guessing(ground: Ground) -> AsyncIterator[None]:
    """Wrong logins at known and unknown names, from other addresses, at a steady pace."""

    async def guess(number: int) -> None:
        name = f"u{number}@example.org" if number % 2 else f"nobody{number}@example.org"
        with contextlib.suppress(Unexpected, OSError):
            session = await clients.imap(ground.guard.imap_port, ground.tls, ADDRESSES[1 + number % 100])
            try:
                await session.enter(Credential(name, f"wrong-{number}"))
            finally:
                session.abort()

    async def flood() -> None:
        async with asyncio.TaskGroup() as guesses:
            for number in itertools.count(1):
                guesses.create_task(guess(number))
                await asyncio.sleep(1 / GUESSES)

    async with asyncio.TaskGroup() as tasks:
        flooding = tasks.create_task(flood())
        await asyncio.sleep(SETTLE)
        try:
            yield
        finally:
            flooding.cancel()


@contextlib.contextmanager
def _silent() -> Iterator[int]:
    """A port where connections are taken and nothing is said."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        yield int(listener.getsockname()[1])


def _directory(port: int, stack: Stack) -> Tables:
    return {
        "identity": {
            "source": "ldap",
            "questions": "4/30m",
            "ldap": {
                "url": f"ldaps://localhost:{port}",
                "ca": str(stack.ca),
                "search": {"base": "dc=example,dc=org", "filter": "(mail={address})"},
            },
        }
    }
