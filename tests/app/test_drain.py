"""A worker that drains: who is ended by the plan, and who is left alone."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import ExitStack, closing

from mailguard.auth.attempt import Admission, Factor, MailProtocol, Origin
from mailguard.auth.events import Event
from mailguard.proxy.parting import Parting
from mailguard.proxy.registry import Live
from mailguard.store import Store
from tests.app.conftest import Start
from tests.support.hostile_store import Held, ImapStore
from tests.support.worker import ANN, PASSWORD, Running, eventually


async def test_a_session_at_rest_ends_and_one_that_waits_for_an_answer_does_not(start: Start) -> None:
    store = Held(ImapStore(users={ANN: PASSWORD}), b"SEARCH")
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


async def test_the_end_of_a_session_whose_begin_is_being_written_when_all_stops_is_not_lost(start: Start) -> None:
    admission = Admission(ANN, "account-1", Factor.APP_PASSWORD, "app-password-1", "", 7)
    live = Live("s1", admission, MailProtocol.IMAP, Origin.of("192.0.2.7", 4000), time.time(), lambda: None)
    with ExitStack() as held:
        async with start(imap=ImapStore(users={ANN: PASSWORD})) as running:
            registry = running.worker.house.registry
            other = held.enter_context(closing(sqlite3.connect(_file(running), isolation_level=None)))
            other.execute("BEGIN IMMEDIATE")  # as another worker that is writing
            registry.register(live)
            registry.closed(live, "client-closed", None)

            async def in_hand() -> bool:
                return not registry._opened and not registry._ended

            await eventually(in_hand)
            asyncio.get_running_loop().call_later(0.2, other.rollback)
        store = await Store.open(running.settings.store.url, running.ring)
        assert await store.sessions.list() == ()
        ended = [entry.row.reason for entry in await store.audit.list() if entry.row.event is Event.SESSION_ENDED]
        assert ended == ["client-closed"]
        await store.close()


def _file(running: Running) -> str:
    return running.settings.store.url.removeprefix("sqlite:///")
