"""Many at once: sessions that idle, clients that all come back, a burst, strangers who say nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bench import clients
from bench.clients import HOST, NAME, Imap, Unexpected
from bench.figures import quantile
from bench.scale.findings import Finding
from bench.scale.ground import ADDRESSES, SETTLE, Door, Ground, held

IDLE = 10_000
BURST, BURST_ADDRESSES = 2000, 20
WATCHED = 10.0  # seconds
RECONNECT_WITHIN = 60.0
MB, KIB = 1e6, 1024


async def at_rest(ground: Ground) -> list[Finding]:
    """Supervisor, workers, portal and monitor, when nobody is there."""
    await asyncio.sleep(SETTLE)
    seconds = ground.meter.cpu()
    await asyncio.sleep(WATCHED)
    seconds = ground.meter.cpu() - seconds
    return [
        Finding("at rest: memory of supervisor, 2 workers, portal and monitor", ground.meter.memory() / MB, "MB", 250),
        Finding("at rest: CPU of them", seconds / WATCHED * 100, "% of a core"),
    ]


async def idle(ground: Ground, count: int = IDLE) -> list[Finding]:
    """Sessions that idle; then all of their clients are gone, and come back at once."""
    before = ground.meter.memory()
    sessions = await ground.crowd(count, 64, "idle sessions")
    async with held(sessions):
        await asyncio.gather(*(session.idle() for session in sessions))
        await asyncio.sleep(SETTLE)
        whole = ground.meter.memory()
        seconds = ground.meter.cpu()
        ground.progress.say(f"{count} sessions idle")
        await asyncio.sleep(WATCHED)
        seconds = ground.meter.cpu() - seconds
    found = [
        Finding(f"{count} idle sessions: memory of all processes", whole / MB, "MB"),
        Finding(f"{count} idle sessions: memory of each", (whole - before) / count / KIB, "KiB"),
        Finding(f"{count} idle sessions: CPU", seconds / WATCHED * 100, "% of a core"),
    ]
    began = time.perf_counter()
    again = await ground.crowd(count, 500, "reconnects")
    took = time.perf_counter() - began
    async with held(again):
        await asyncio.gather(*(session.command("NOOP") for session in again))
    return [*found, Finding(f"{count} clients back at once, all logged in", took, "s", RECONNECT_WITHIN)]


async def burst(ground: Ground) -> list[Finding]:
    """So many connections in one moment, from few addresses: all are let in, by each worker in the order they asked."""
    asked: dict[Door, int] = {}
    served: list[Door] = []
    refused: list[str] = []

    async def come(number: int) -> Imap | None:
        try:
            session = await clients.imap(ground.guard.imap_port, ground.tls, ADDRESSES[number % BURST_ADDRESSES])
            asked[session.local] = len(asked)  # before that the client's own haste decides, as all are one process
            await session.enter(ground.credentials[number % len(ground.credentials)])
        except (OSError, Unexpected) as error:
            refused.append(repr(error))
            return None
        served.append(session.local)
        return session

    began = time.perf_counter()
    sessions = await asyncio.gather(*(come(number) for number in range(BURST)))
    took = time.perf_counter() - began
    async with held([session for session in sessions if session is not None]):
        await asyncio.sleep(SETTLE)
        workers = ground.workers()
    for words in sorted(set(refused)):
        print(f"refused: {words}")
    queues = [[asked[door] for door in served if workers.get(door) == pid] for pid in set(workers.values())]
    return [
        Finding(f"burst of {BURST} from {BURST_ADDRESSES} addresses: refused", len(refused), "", 0),
        Finding("the same: the last one was in after", took, "s"),
        Finding(
            "the same: places that one in a hundred fell back behind those who asked its worker later",
            max(map(overtaken, queues)),
            "",
            BURST / 10,
        ),
    ]


def overtaken(served: Sequence[int]) -> float:
    """How many places later than they came, at the 99th of a hundred. Each is named by when it came."""
    came = {number: place for place, number in enumerate(sorted(served))}
    behind = [float(max(0, place - came[number])) for place, number in enumerate(served)]
    return quantile(behind, 0.99) if behind else 0.0


async def strangers(ground: Ground, tls: str, count: int, most: float) -> list[Finding]:
    """Connections that say half a line and nothing more; somebody honest gets in beside them."""
    loop = asyncio.get_running_loop()
    secured = tls == "implicit"
    port = ground.guard.imap_port if secured else ground.guard.imap_starttls_port
    before = ground.meter.memory()
    lost: list[int] = []
    transports: list[asyncio.Transport] = []
    for number in range(count):
        transport, _ = await loop.create_connection(
            lambda: _Stranger(lost), HOST, port, local_addr=(ADDRESSES[number % BURST_ADDRESSES], 0),
            ssl=ground.tls if secured else None, server_hostname=NAME if secured else None,
        )  # fmt: skip
        transport.write(b"a" * 8192)
        transports.append(transport)
    await asyncio.sleep(1.0)
    grown = (ground.meter.memory() - before) / count / KIB
    began = time.perf_counter()
    async with clients.reading(ground.guard.imap_port, ground.tls, ground.credentials[0]):
        waited = time.perf_counter() - began
    thrown_out = len(lost)
    for transport in transports:
        transport.abort()
    await asyncio.sleep(1.0)
    way = "TLS" if secured else "clear"
    return [
        Finding(f"{count} strangers who never log in, in {way}: memory of each", grown, "KiB", most),
        Finding("the same: thrown out", thrown_out, "", 0),
        Finding("the same: an honest login beside them", waited * 1e3, "ms"),
    ]


class _Stranger(asyncio.Protocol):
    def __init__(self, lost: list[int]) -> None:
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.append(1)
