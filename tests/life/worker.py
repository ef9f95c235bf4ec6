"""Another process of the guard: `python -m tests.life.worker KEYS` decides what it is handed on its standard input."""

import asyncio
import pickle
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from mailguard import keyring
from mailguard.auth import recovery
from mailguard.net.threads import Threads
from mailguard.store import Store
from tests.life.guards import Guard, Try, quick_hash
from tests.store.words import NOON


async def serve(keys: Path) -> None:
    """Decide until there is nothing more. Each life has a database of its own."""
    ring, guards, threads = keyring.load(keys), dict[str, Guard](), Threads()
    async with AsyncExitStack() as stack:
        stack.callback(threads.close)
        while told := await asyncio.to_thread(read):
            if told.database not in guards:
                store = await Store.open(f"sqlite:///{told.database}", ring, now=lambda: NOON)
                stack.push_async_callback(store.close)
                guards[told.database] = Guard(store, ring, threads)
            pickle.dump(await guards[told.database](told), sys.stdout.buffer)
            sys.stdout.flush()


def read() -> Try | None:
    """The next attempt."""
    try:
        told: Try = pickle.load(sys.stdin.buffer)
    except EOFError:
        return None
    return told


if __name__ == "__main__":
    recovery._hash = quick_hash
    asyncio.run(serve(Path(sys.argv[1])))
