"""A few threads for work that keeps a processor busy: password hashes, which would hold up every session meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 2  # each hash holds 19 MiB and a processor

T = TypeVar("T")


class Threads:
    """Runs work beside the event loop, `at_once` pieces at a time; the rest waits its turn. Make it after the fork."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="work")

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. A caller that is cancelled leaves its thread busy until the work is done."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Wait for work in hand; what has not begun is dropped."""
        self._pool.shutdown(cancel_futures=True)
