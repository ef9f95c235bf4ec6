"""Grants at the doors of a worker: who passes with the string of a used code, and whom it costs their place."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from mailguard.auth.events import Event
from tests.app.conftest import Start
from tests.app.test_worker import FAILED, alive, in_
from tests.support.hostile_store import ImapStore, SubmissionStore
from tests.support.worker import ANN, PASSWORD, Client, Running, eventually, plain

pytestmark = pytest.mark.both_loops


def stores(start: Start, policy: str) -> AbstractAsyncContextManager[Running]:
    return start(
        imap=ImapStore(users={ANN: PASSWORD}),
        submission=SubmissionStore(users={ANN: PASSWORD}),
        more=f"[policy]\n{policy}\n",
    )


async def sender(running: Running, string: str) -> tuple[Client, bytes]:
    client = await running.client("submission")
    await client.line()
    client.say(b"EHLO laptop\r\nAUTH PLAIN %b\r\n" % plain(ANN, string))
    await client.until(b"250 AUTH PLAIN LOGIN\r\n")
    return client, await client.line()


async def test_at_the_hard_end_its_sessions_end_and_its_string_is_stale_for_ever(start: Start) -> None:
    async with stores(start, 'grant_limit = "2s"') as running:
        await running.enrol()
        string = PASSWORD + running.code()
        began = asyncio.get_running_loop().time()
        reader, answer = await in_(running, string)
        assert answer.startswith(b"a OK")
        writer, answer = await sender(running, string)
        assert answer.startswith(b"235")
        assert await reader.rest() == b""
        assert await writer.rest() == b""
        assert 1.5 < asyncio.get_running_loop().time() - began < 3.5
        assert await running.records.grants.list() == ()
        for _ in range(4):
            client, answer = await in_(running, string)
            assert answer.startswith(b"a " + FAILED)
            client.close()
        assert (await running.reasons())[2:] == ["code-reused"] + ["wrong-repeated"] * 3
        ended = [e.row.detail for e in await running.records.audit.list() if e.row.event is Event.GRANT_ENDED]
        assert ended == ["its hard end"]


async def test_five_connections_dropped_without_a_word_make_room_for_five_new_ones(start: Start) -> None:
    """A network was away: to us the old ones are still open, and the client is back with as many."""
    async with stores(start, "grant_connections = 5") as running:
        await running.enrol()
        string = PASSWORD + running.code()
        old = [await in_(running, string) for _ in range(5)]
        assert all(answer.startswith(b"a OK") for _, answer in old)
        new = await asyncio.gather(*(in_(running, string) for _ in range(5)))
        assert all(answer.startswith(b"a OK") for _, answer in new)
        assert [await client.rest() for client, _ in old] == [b""] * 5
        assert all([await alive(client) for client, _ in new])
        assert len(await running.records.sessions.list(ANN)) == 5
        for client, _ in new:
            client.close()


async def test_who_speaks_keeps_his_place(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailguard.app.worker.SILENCE_SECONDS", 0.05)
    async with stores(start, "grant_connections = 2") as running:
        await running.enrol()
        string = PASSWORD + running.code()
        first, _ = await in_(running, string)
        second, _ = await in_(running, string)
        oldest = (await running.records.sessions.list(ANN))[0]

        async def heard() -> bool:
            assert await alive(first)
            rows = {row.id: row.seen_at for row in await running.records.sessions.list(ANN)}
            return rows[oldest.id] > oldest.started_at + 1

        assert await eventually(heard)
        third, answer = await in_(running, string)
        assert answer.startswith(b"a OK")
        assert await second.rest() == b""
        assert await alive(first)
        assert await alive(third)
        for client in (first, third):
            client.close()


async def test_revoking_a_grant_ends_its_sessions_at_both_doors_and_takes_its_string_away(own: Running) -> None:
    await own.enrol()
    string = PASSWORD + own.code()
    reader, answer = await in_(own, string)
    assert answer.startswith(b"a OK")
    writer, answer = await sender(own, string)
    assert answer.startswith(b"235")
    (row,) = await own.records.grants.list(ANN)
    assert row.sessions == 2
    await own.records.grants.revoke(row.grant.id, actor="operator:test")
    assert await reader.rest() == b""
    assert await writer.rest() == b""
    client, answer = await in_(own, string)
    assert answer.startswith(b"a " + FAILED)
    client.close()


async def test_ending_a_session_by_hand_revokes_its_grant(own: Running) -> None:
    await own.enrol()
    string = PASSWORD + own.code()
    reader, _ = await in_(own, string)
    beside, _ = await in_(own, string)
    await own.records.sessions.end((await own.records.sessions.list(ANN))[0].id, actor="operator:test")
    assert await reader.rest() == b""
    assert await beside.rest() == b""
    assert await own.records.grants.list() == ()


async def test_the_end_of_the_last_session_starts_the_idle_clock(own: Running) -> None:
    await own.enrol()
    client, _ = await in_(own, PASSWORD + own.code())
    (row,) = await own.records.grants.list()
    client.close()

    async def idle() -> bool:
        (now,) = await own.records.grants.list()
        return now.sessions == 0 and now.grant.idle_since > row.grant.idle_since

    assert await eventually(idle)


async def test_with_grants_off_a_code_is_one_session(start: Start) -> None:
    async with stores(start, 'grant_limit = "0"') as running:
        await running.enrol()
        string = PASSWORD + running.code()
        first, answer = await in_(running, string)
        assert answer.startswith(b"a OK")
        second, answer = await in_(running, string)
        assert answer.startswith(b"a " + FAILED)
        assert (await running.reasons())[-1] == "code-reused"
        assert [row.grant for row in await running.records.sessions.list(ANN)] == [""]
        for client in (first, second):
            client.close()
