"""A worker that drains: who is ended by the plan, and who is left alone."""

from __future__ import annotations

import asyncio
import threading

from mailguard.proxy.parting import Parting
from tests.app.conftest import Start
from tests.support.hostile_store import ImapStore, Peer
from tests.support.worker import ANN, PASSWORD, eventually


class Searching:
    """A store that takes its time over one command."""

    def __init__(self, store: ImapStore) -> None:
        self._store = store
        self.asked, self.go = threading.Event(), threading.Event()

    def __call__(self, peer: Peer) -> None:
        say = peer.say

        def held(data: bytes) -> bool:
            if b"SEARCH" in data:
                self.asked.set()
                assert self.go.wait(30)
            return say(data)

        peer.say = held  # type: ignore[method-assign]
        self._store(peer)


async def test_a_session_at_rest_ends_and_one_that_waits_for_an_answer_does_not(start: Start) -> None:
    store = Searching(ImapStore(users={ANN: PASSWORD}))
    async with start(imap=store) as running:
        idle, busy = await running.client(), await running.client()
        for client in (idle, busy):
            assert (await client.log_in(PASSWORD)).startswith(b"a OK")
        busy.say(b"s SEARCH TEXT needle\r\n")
        assert await asyncio.to_thread(store.asked.wait, 30)
        registry, now = running.worker.house.registry, running.worker.house.now

        def look() -> None:
            plan = Parting(now(), 0.0, rest=0.001)  # its time is over: all at rest go
            registry.part(plan, now(), "shutdown")

        async def one_left() -> bool:
            look()
            return len(registry) == 1

        await eventually(one_left)
        assert await idle.rest() == b""
        store.go.set()
        assert await busy.until(b"\r\n") == b"s OK SEARCH TEXT needle done\r\n"

        async def none_left() -> bool:
            look()
            return len(registry) == 0

        await eventually(none_left)
        assert await busy.rest() == b""
