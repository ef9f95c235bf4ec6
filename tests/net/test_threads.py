"""Work beside the event loop."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from mailguard.net.threads import Threads


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(2)
    yield threads
    threads.close()


async def test_the_loop_goes_on_and_no_more_than_so_many_work_at_once(threads: Threads) -> None:
    go, lock = threading.Event(), threading.Lock()
    both = asyncio.Event()
    loop = asyncio.get_running_loop()
    at_work, most = 0, 0

    def work() -> str:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
            if at_work == 2:
                loop.call_soon_threadsafe(both.set)
        go.wait(10)
        with lock:
            at_work -= 1
        return threading.current_thread().name

    waiting = asyncio.gather(*(threads.run(work) for _ in range(6)))
    await both.wait()  # the loop turns while both are held up
    go.set()
    assert len(set(await waiting)) == most == 2


async def test_what_work_raises_is_raised(threads: Threads) -> None:
    def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await threads.run(work)
