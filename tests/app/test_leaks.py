"""After thousands of logins a worker holds what it held after the first hundred."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter

from tests.support.worker import PASSWORD, Client, Running, eventually, plain

WARM, LOGINS, AT_ONCE = 100, 2000, 32
SOME = 400  # objects of one kind: caches that fill up to a bound, and what is in hand at the moment of the count


async def _read(running: Running, secret: str) -> Client:
    client = await running.client()
    assert (await client.log_in(secret)).startswith(b"a OK")
    return client


async def _send(running: Running, secret: str) -> Client:
    client = await running.client("submission")
    await client.line()
    client.say(b"EHLO laptop\r\nAUTH PLAIN %b\r\n" % plain("ann", secret))
    await client.until(b"235 2.7.0 Authentication successful\r\n")
    return client


async def _guess(running: Running, secret: str) -> Client:
    client = await running.client()
    assert (await client.log_in(f"not {secret}")).startswith(b"a NO")
    return client


async def _logins(running: Running, secret: str, count: int) -> None:
    """Readers, senders, and now and then somebody who does not get in; all of them leave."""
    ways = [_read, _send] * 9 + [_guess]

    async def some(first: int) -> None:
        for number in range(first, count, AT_ONCE):
            client = await ways[number % len(ways)](running, secret)
            client.close()

    async with asyncio.TaskGroup() as group:
        for first in range(AT_ONCE):
            group.create_task(some(first))
    house = running.worker.house

    async def at_rest() -> bool:
        return not len(house.registry) and not len(house.lobby) and not len(house.tasks) and not len(house.turns)

    await eventually(at_rest)


async def test_two_thousand_logins_leave_nothing_behind(own: Running) -> None:
    _, secret = await own.app_password(sealed=PASSWORD)
    await _logins(own, secret, WARM)
    tasks, files, objects = await _held()
    await _logins(own, secret, LOGINS)

    async def back() -> bool:
        now = await _held()
        return now[0] <= tasks and now[1] <= files

    await eventually(back)
    grown = (await _held())[2] - objects
    assert {kind: count for kind, count in grown.items() if count > SOME} == {}


async def _held() -> tuple[int, int, Counter[str]]:
    """Tasks, open files, and objects by kind; the scripted stores' and the clients' are among them."""
    await asyncio.sleep(0)
    gc.collect()
    kinds = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    # Coverage keeps a method for each thread that there ever was, and the scripted stores run one for a connection.
    # Whose method else is kept is kept with it, and is seen.
    del kinds["builtins.method"]
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")), kinds
