"""`python -m bench.soak [LOGINS]`: very many logins, and nothing is left of them. Exit code 1, and what it is, where
something is.

Logins of all kinds go by: with a goodbye, hung up upon, given up before they began, wrong ones. What is then held
against the start are open files, threads, memory, rows of sessions and, by the guard's own metrics, connections and
logins that wait. A task that outlives its session keeps memory, and a session's is more than what is let pass here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench import clients
from bench.clients import Credential, Unexpected
from bench.place import ended_by_sigterm, folder
from bench.progress import Progress
from bench.scale.ground import ADDRESSES, Ground, ground
from bench.scripted import running_scripted
from tests.e2e.daemon import free_ports

LOGINS = 10_000
WARM = 4000  # logins after which every cache, pool and thread is there
AT_ONCE = 16
WRONG = 50  # one in so many is wrong, and is answered late
QUIET_WITHIN = 40.0  # seconds
# Octets of memory a login. The heap goes on settling for some 30,000 logins, slower and slower: 3.7 MB in the second
# 4000, 0.3 in the eighth. Whatever keeps its session's objects keeps some KiB each.
KEPT_EACH = 1024


@dataclass(frozen=True, slots=True)
class State:
    """What a guard holds."""

    descriptors: int
    threads: int
    memory: float
    sessions: int  # rows of the records
    open: float  # live sessions, connections before login and logins that wait, as the metrics say

    def left(self, before: State, logins: int) -> list[str]:
        """What is more than before, in words."""
        allowed = {"descriptors": 0, "threads": 0, "memory": KEPT_EACH * logins, "sessions": 0, "open": 0}
        now = {name: getattr(self, name) for name in allowed}
        then = {name: getattr(before, name) for name in allowed}
        return [
            f"{name}: {then[name]:.0f} before, {now[name]:.0f} after"
            for name, most in allowed.items()
            if now[name] - then[name] > most
        ]


async def soaked(before: Ground, metrics: int, logins: int) -> list[str]:
    """What is left of so many logins."""
    await _logins(before, WARM, "warm-up")
    start = await _quiet(before, metrics, None, 0)
    await _logins(before, logins, "soak")
    end = await _quiet(before, metrics, start, logins)
    before.progress.end()
    print(f"before: {start}\nafter:  {end}")
    return end.left(start, logins)


async def _logins(before: Ground, count: int, what: str) -> None:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            with contextlib.suppress(ConnectionError):
                await _one(before, number)
            if number % 500 == 0:
                before.progress.say(f"{what}: {number} of {count}")

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def _one(before: Ground, number: int) -> None:
    source = ADDRESSES[number % len(ADDRESSES)]
    credential = before.credentials[number % len(before.credentials)]
    if number % WRONG == 0:
        session = await clients.imap(before.guard.imap_port, before.tls, source)
        with contextlib.suppress(Unexpected):
            await session.enter(Credential(credential.name, f"wrong-{number}"))
        session.abort()
        return
    match number % 4:
        case 0:  # gone before the login
            (await clients.imap(before.guard.imap_port, before.tls, source)).abort()
        case 1:  # gone without a goodbye
            (await before.enter(number, source)).abort()
        case 2:
            await (await before.enter(number, source)).leave()
        case _:
            submission = await clients.submission(before.guard.submission_port, before.tls, source)
            await submission.enter(credential)
            await submission.leave()


async def _quiet(before: Ground, metrics: int, start: State | None, logins: int) -> State:
    """The state once nothing more goes back: of the start where one is named, else once nobody is there."""
    end = asyncio.get_running_loop().time() + QUIET_WITHIN
    while True:
        await asyncio.sleep(1.0)
        state = await asyncio.to_thread(_state, before, metrics)
        settled = not state.left(start, logins) if start is not None else state.sessions == state.open == 0
        if settled or asyncio.get_running_loop().time() > end:
            return state


def _state(before: Ground, metrics: int) -> State:
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    meter = before.meter
    return State(meter.descriptors(), meter.threads(), meter.memory(), len(before.workers()), _open(text))


def _open(text: str) -> float:
    names = ("mailguard_sessions", "mailguard_connections_before_login", "mailguard_logins_waiting")
    lines = [line for line in text.splitlines() if line.startswith(names)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def main() -> int:
    """Exit code 1 where something is left."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Very many logins; nothing is left.")
    parser.add_argument("logins", nargs="?", type=int, default=LOGINS)
    logins: int = parser.parse_args().logins
    [metrics] = free_ports(1)
    with ended_by_sigterm("soak"), folder() as place, running_scripted(place) as stack:
        overrides: Mapping[str, object] = {"observe": {"metrics": f"127.0.0.1:{metrics}"}}
        with ground(stack, Path(place) / "mailguard", Progress(), overrides) as before:
            left = uvloop.run(soaked(before, metrics, logins))
    for words in left:
        print(f"soak: left after {logins} logins: {words}", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
