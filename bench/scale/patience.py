"""How long a right app password waits while others guess, or while whoever checks passwords hangs."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import socket
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from bench import clients
from bench.clients import Credential, Unexpected
from bench.figures import quantile
from bench.progress import Progress
from bench.scale.findings import Finding
from bench.scale.ground import ADDRESSES, SETTLE, Ground, ground
from tests.e2e.guard import Tables
from tests.e2e.stack import Stack

ROUNDS = 3
LOGINS, PACE = 400, 0.025  # right logins, and the seconds from one to the next
GUESSES = 20.0  # wrong logins a second
AT_MOST = 2.0  # times the quiet p99
QUESTIONS: Tables = {"identity": {"questions": "4/30m"}}  # the default


async def waited(stack: Stack, folder: Path, progress: Progress) -> list[Finding]:
    """Quiet, under a flood, and before a directory that hangs: rounds that go from one to the other."""
    quiet: list[float] = []
    noisy: list[float] = []
    stuck: list[float] = []
    with contextlib.ExitStack() as running:
        flooded = running.enter_context(ground(stack, folder / "flooded", progress, QUESTIONS))
        await _p99(flooded, "warm-up")
        hung = None
        if importlib.util.find_spec("ldap") is None:
            progress.say("no python-ldap here (make ldap): nothing is said about a directory that hangs")
        else:
            directory = _directory(running.enter_context(_silent()), stack)
            hung = running.enter_context(ground(stack, folder / "hung", progress, directory))
            await _p99(hung, "warm-up")
        for number in range(1, ROUNDS + 1):
            quiet.append(await _p99(flooded, f"quiet, round {number} of {ROUNDS}"))
            async with _guessing(flooded):
                noisy.append(await _p99(flooded, f"under a flood of wrong logins, round {number} of {ROUNDS}"))
            if hung is not None:
                async with _guessing(hung):
                    stuck.append(await _p99(hung, f"before a directory that hangs, round {number} of {ROUNDS}"))
    return findings(quiet, noisy, stuck)


def findings(quiet: Sequence[float], noisy: Sequence[float], stuck: Sequence[float]) -> list[Finding]:
    """Medians of the p99s, and the ratios."""
    calm, flooded = statistics.median(quiet), statistics.median(noisy)
    found = [
        Finding("a right app password, quiet: p99", calm, "ms"),
        Finding(f"the same, with {GUESSES:.0f} wrong logins a second: p99", flooded, "ms"),
        Finding("the same, by the quiet one", flooded / calm, "", AT_MOST),
    ]
    if stuck:
        held_up = statistics.median(stuck)
        found.append(Finding(f"with {GUESSES:.0f} logins a second that wait for a directory: p99", held_up, "ms"))
        found.append(Finding("the same, by the quiet one", held_up / calm, "", AT_MOST))
    return found


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
