"""After login: every byte, in order, both ways, in bounded memory, until somebody ends it."""

import asyncio
import gc
import itertools
import logging
import socket
import struct
import time
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from mailguard.net.closing import unsent
from mailguard.net.relay import End, Relay, RelayEnd
from mailguard.net.stream import Stream
from mailguard.net.tasks import Tasks
from tests.support.streams import Tls, read_all, read_until, slow_client, stream_pair

pytestmark = pytest.mark.both_loops

MEGABYTE = 1024 * 1024


@dataclass
class Session:
    """A client and a store, with a relay between them."""

    client: Stream
    store: Stream
    relay: Relay
    ours: tuple[asyncio.Transport, asyncio.Transport]
    end: asyncio.Future[RelayEnd] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Sessions:
    """Makes them, over clear text or TLS on either leg, and leaves none behind."""

    def __init__(self, client_tls: Tls | None, store_tls: Tls | None) -> None:
        self._client_tls = client_tls
        self._store_tls = store_tls
        self._tasks = Tasks()
        self._ends: list[Stream] = []

    async def make(self, **options: object) -> Session:
        """A session whose relay is not running yet."""
        client, front = await stream_pair(self._client_tls)
        leg, store = await stream_pair(self._store_tls)
        self._ends += (client, store)
        ours, to_store = front.detach()
        theirs, to_client = leg.detach()
        options = {"to_store": to_store, "to_client": to_client, **options}
        return Session(client, store, Relay(ours, theirs, **options), (ours, theirs))  # type: ignore[arg-type]

    async def start(self, **options: object) -> Session:
        """A session whose relay runs."""
        session = await self.make(**options)
        self.run(session)
        return session

    async def ended(self, session: Session) -> RelayEnd:
        """How it ended, after both peers have left, so that nobody waits for their farewell."""
        session.client.abort()
        session.store.abort()
        return await session.end

    def run(self, session: Session) -> None:
        session.end = self._tasks.spawn(session.relay.run(), name="relay")

    async def close(self) -> None:
        await self._tasks.close()
        for end in self._ends:
            end.abort()
        await asyncio.sleep(0)


@pytest.fixture(params=itertools.product(["plain", "tls"], repeat=2), ids="-".join)
async def sessions(request: pytest.FixtureRequest, tls: Tls) -> AsyncIterator[Sessions]:
    """Every combination of legs."""
    client_tls, store_tls = (tls if leg == "tls" else None for leg in request.param)
    sessions = Sessions(client_tls, store_tls)
    yield sessions
    await sessions.close()


@pytest.fixture
async def tls_sessions(tls: Tls) -> AsyncIterator[Sessions]:
    """TLS on both legs, as it is in service."""
    sessions = Sessions(tls, tls)
    yield sessions
    await sessions.close()


def pattern(size: int) -> bytes:
    """Bytes whose order shows."""
    block = b"".join(struct.pack("!I", number) for number in range(4096))
    return (block * (size // len(block) + 1))[:size]


async def write_out(stream: Stream, data: bytes, piece: int = 50_000) -> None:
    for start in range(0, len(data), piece):
        stream.write(data[start : start + piece])
        await stream.drain()


async def exactly(stream: Stream, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        if not (piece := await stream.read()):
            raise EOFError(f"{len(data)} of {size} octets")
        data += piece
    return bytes(data)


def is_closed(transport: asyncio.Transport) -> bool:
    sock = transport.get_extra_info("socket")
    return transport.is_closing() and (sock is None or sock.fileno() == -1)


# Bytes


async def test_what_was_read_before_goes_first(sessions: Sessions) -> None:
    session = await sessions.start(to_store=b"a2 SELECT INBOX\r\n", to_client=b"* 3 EXISTS\r\n")
    session.client.write(b"a3 NOOP\r\n")
    session.store.write(b"a2 OK\r\n")
    assert await read_until(session.store, b"a3 NOOP\r\n") == b"a2 SELECT INBOX\r\na3 NOOP\r\n"
    assert await read_until(session.client, b"a2 OK\r\n") == b"* 3 EXISTS\r\na2 OK\r\n"
    session.client.abort()
    assert await read_all(session.store) == b""
    assert await sessions.ended(session) == RelayEnd(End.CLIENT_CLOSED, 26, 19)


@pytest.mark.parametrize(("piece", "size"), [(1, 600), (7, 4000), (16_384, 400_000), (300_000, 3_000_000)])
async def test_both_directions_at_once_in_any_pieces(sessions: Sessions, piece: int, size: int) -> None:
    session = await sessions.start()
    there, back = pattern(size), pattern(size)[::-1]
    _, _, at_store, at_client = await asyncio.gather(
        write_out(session.client, there, piece),
        write_out(session.store, back, piece),
        exactly(session.store, size),
        exactly(session.client, size),
    )
    assert at_store == there
    assert at_client == back
    session.relay.abort()
    assert await session.end == RelayEnd(End.ABORTED, size, size)


async def test_bytes_that_arrive_around_the_hand_over_keep_their_order(sessions: Sessions) -> None:
    session = await sessions.make()
    sent = pattern(200_000)
    session.client.write(sent[:100])
    writing = asyncio.gather(write_out(session.client, sent[100:], 1000))
    for _ in range(30):  # some of it arrives while reading is paused
        await asyncio.sleep(0)
    sessions.run(session)
    assert await exactly(session.store, len(sent)) == sent
    await writing


# The end of one side


@pytest.mark.parametrize("size", [0, 1000, 150_000, 5_000_000])
@pytest.mark.parametrize("politely", [True, False], ids=["close", "no close_notify"])
async def test_what_the_store_sent_before_it_closed_reaches_a_slow_client(
    sessions: Sessions, size: int, politely: bool
) -> None:
    session = await sessions.start()
    sent = pattern(size)

    async def store() -> None:
        await write_out(session.store, sent)
        if politely:
            await session.store.close()
        else:
            transport, _ = session.store.detach()
            await until(lambda: not unsent(transport))
            transport.abort()  # all of it is with the kernel, so this is a bare FIN

    async def slow_client() -> bytes:
        received = bytearray()
        while piece := await session.client.read():
            received += piece
            await asyncio.sleep(0.001)
        return bytes(received)

    received, _ = await asyncio.gather(slow_client(), store())
    assert received == sent
    assert await sessions.ended(session) == RelayEnd(End.STORE_CLOSED, 0, size)
    assert all(is_closed(transport) for transport in session.ours)


async def test_what_the_client_sent_before_it_closed_reaches_the_store(sessions: Sessions) -> None:
    session = await sessions.start()
    sent = pattern(2_000_000)

    async def client() -> None:
        await write_out(session.client, sent)
        transport, _ = session.client.detach()
        await until(lambda: not unsent(transport))
        transport.close()

    received, _ = await asyncio.gather(read_all(session.store), client())
    assert received == sent
    assert await sessions.ended(session) == RelayEnd(End.CLIENT_CLOSED, len(sent), 0)
    assert all(is_closed(transport) for transport in session.ours)


@pytest.mark.parametrize("leg", ["plain", "tls"])
async def test_a_client_that_still_talks_hears_the_stores_last_words(tls: Tls, leg: str) -> None:
    """Closing a socket whose input was not read is a reset, and that destroys what was sent before."""
    if leg == "tls" and not isinstance(asyncio.get_running_loop(), uvloop.Loop):
        pytest.skip("asyncio ends a TLS connection on input that comes behind its own closing message")
    sessions = Sessions(tls if leg == "tls" else None, None)
    session = await sessions.start()
    talking = asyncio.gather(write_out(session.client, bytes(20_000_000)), return_exceptions=True)
    await until_blocked(session.ours[1])  # the store reads nothing, so neither do we
    goodbye = pattern(1_000_000)
    session.store.write(goodbye)
    transport, _ = session.store.detach()
    transport.write_eof()
    assert await read_all(session.client) == goodbye
    session.client.abort()
    await talking
    transport.abort()
    # What the client went on sending was read, and so its end was seen.
    assert (await session.end).why is End.STORE_CLOSED
    await sessions.close()


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_does_not_read_cannot_hold_the_end(sessions: Sessions) -> None:
    session = await sessions.make(to_client=bytes(20_000_000), idle=0.2)
    session.client.detach()  # reading is paused from here on
    before = time.monotonic()
    sessions.run(session)
    assert (await session.end).why is End.IDLE
    assert time.monotonic() - before > 0.3
    assert all(is_closed(transport) for transport in session.ours)


async def test_a_reset_is_told_apart(sessions: Sessions) -> None:
    session = await sessions.start()
    transport, _ = session.client.detach()
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    assert await session.store.read() == b""
    assert (await sessions.ended(session)).why is End.LOST


@pytest.mark.parametrize("which", ["client", "store"])
async def test_a_connection_that_ended_before_the_relay_began(sessions: Sessions, which: str) -> None:
    session = await sessions.make(to_store=b"a2 LOGOUT\r\n", to_client=b"* BYE\r\n")
    client_left = which == "client"
    session.ours[0 if client_left else 1].abort()
    await asyncio.sleep(0)
    sessions.run(session)
    assert await read_all(session.store if client_left else session.client) == (
        b"a2 LOGOUT\r\n" if client_left else b"* BYE\r\n"
    )
    end = await sessions.ended(session)
    assert end.why is (End.CLIENT_CLOSED if client_left else End.STORE_CLOSED)
    assert all(is_closed(transport) for transport in session.ours)


@pytest.mark.parametrize("size", [20, 100_000])
@pytest.mark.parametrize("politely", [True, False], ids=["close", "no close_notify"])
async def test_a_store_that_closed_while_nobody_read_is_heard_out(
    sessions: Sessions, size: int, politely: bool
) -> None:
    session = await sessions.make()
    goodbye = pattern(size)
    session.store.write(goodbye)
    transport, _ = session.store.detach()
    await until(lambda: not unsent(transport))
    if politely:
        transport.close()
    else:
        transport.abort()
    for _ in range(10):
        await asyncio.sleep(0)
    sessions.run(session)
    assert await read_all(session.client) == goodbye
    assert (await sessions.ended(session)).why is End.STORE_CLOSED


# Cut from outside


async def test_abort_cuts_both_within_the_call(sessions: Sessions) -> None:
    session = await sessions.start()
    session.client.write(b"a1 NOOP\r\n")
    await session.store.read()
    session.store.write(b"secret")  # on its way when the cut comes
    session.relay.abort()
    assert all(transport.is_closing() for transport in session.ours)
    assert await read_all(session.client) == b""
    assert await read_all(session.store) == b""
    assert await session.end == RelayEnd(End.ABORTED, 9, 0)


async def test_abort_cuts_a_relay_that_waits_for_a_slow_client(sessions: Sessions) -> None:
    session = await sessions.start()
    session.client.detach()
    sending = asyncio.gather(write_out(session.store, bytes(20_000_000)), return_exceptions=True)
    await until_blocked(session.ours[0])
    session.relay.abort()
    assert (await session.end).why is End.ABORTED
    await sending
    session.client.abort()


async def test_aborted_before_it_runs_it_passes_nothing_on(sessions: Sessions) -> None:
    """The revocation that comes between the decision and the relay."""
    session = await sessions.make(to_store=b"a2 FETCH 1 BODY[]\r\n", to_client=b"* 1 FETCH\r\n")
    session.relay.abort()
    sessions.run(session)
    assert await session.end == RelayEnd(End.ABORTED, 0, 0)
    assert await read_all(session.store) == b""
    assert await read_all(session.client) == b""


async def test_a_cancelled_relay_closes_both(sessions: Sessions) -> None:
    session = await sessions.start()
    session.client.write(b"a1 NOOP\r\n")
    await session.store.read()
    session.end.cancel()
    assert await read_all(session.store) == b""
    assert await read_all(session.client) == b""


# Time


async def test_an_idle_session_ends_and_every_byte_puts_that_off(tls_sessions: Sessions) -> None:
    session = await tls_sessions.start(idle=1.0)
    for _ in range(5):
        session.client.write(b"x")
        await session.store.read()
        await asyncio.sleep(0.25)
    assert not session.end.done()
    assert (await session.end).why is End.IDLE
    assert await session.client.read() == b""


@pytest.mark.parametrize("direction", ["to client", "to store"])
async def test_a_side_that_takes_nothing_ends_the_session(sessions: Sessions, direction: str) -> None:
    session = await sessions.start(stall=0.3)
    sender, sink = session.client, session.store
    if direction == "to client":
        sender, sink = sink, sender
    sink.detach()
    sending = asyncio.gather(write_out(sender, bytes(20_000_000)), return_exceptions=True)
    assert (await asyncio.wait_for(session.end, 10)).why is End.STALLED
    await sending
    sink.abort()


async def test_a_slow_side_that_takes_a_little_now_and_then_does_not() -> None:
    loop = asyncio.get_running_loop()
    client, front = await slow_client()
    leg, store = await stream_pair()
    ours, _ = front.detach()
    ours.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * 1024)
    relay = Relay(ours, leg.detach()[0], to_store=b"", to_client=bytes(8_000_000), stall=1.0)
    tasks = Tasks()
    end = tasks.spawn(relay.run(), name="relay")
    began = time.monotonic()
    while time.monotonic() - began < 2.5:  # longer than a stall may last, and blocked all the while
        assert await loop.sock_recv(client, 16 * 1024)
        await asyncio.sleep(0.02)
    assert unsent(ours) > 1_000_000
    assert not end.done()
    assert (await asyncio.wait_for(end, 30)).why is End.STALLED  # now that nothing is taken any more
    client.close()
    store.abort()
    await tasks.close()


# The tap


async def test_the_tap_sees_what_the_client_sends_until_it_has_enough(tls_sessions: Sessions) -> None:
    seen: list[bytes] = []

    def tap(data: bytes) -> bool:
        seen.append(data)
        return b"ID" in data

    session = await tls_sessions.start(to_store=b"a1 NOOP\r\n", to_client=b"* OK\r\n", tap=tap)
    for line in (b"a2 CAPABILITY\r\n", b'a3 ID ("name" "Mail")\r\n', b"a4 SELECT INBOX\r\n"):
        session.client.write(line)
        await read_until(session.store, line)
    assert seen == [b"a1 NOOP\r\n", b"a2 CAPABILITY\r\n", b'a3 ID ("name" "Mail")\r\n']


async def test_a_tap_that_fails_costs_nobody_the_session(
    tls_sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    def tap(data: bytes) -> bool:
        raise ValueError(data)

    session = await tls_sessions.start(to_store=b"a1 NOOP\r\n", tap=tap)
    session.client.write(b"a2 NOOP\r\n")
    assert await read_until(session.store, b"a2 NOOP\r\n") == b"a1 NOOP\r\na2 NOOP\r\n"
    assert [(r.name, r.levelno) for r in caplog.records] == [("mailguard.net", logging.ERROR)]


# Memory


async def test_a_relay_that_only_the_loop_could_know_of_lives(tls_sessions: Sessions) -> None:
    """With reading paused on both sides no selector holds a transport."""
    session = await tls_sessions.start()
    to_store, to_client = pattern(15_000_000), pattern(14_000_000)
    writing = asyncio.gather(write_out(session.client, to_store), write_out(session.store, to_client))
    await until_blocked(session.ours[0])
    await until_blocked(session.ours[1])
    client, store, end = session.client, session.store, session.end
    del session
    gc.collect()
    at_client, at_store = await asyncio.gather(exactly(client, len(to_client)), exactly(store, len(to_store)))
    assert at_client == to_client
    assert at_store == to_store
    await writing
    client.abort()
    store.abort()
    assert (await end).why in {End.CLIENT_CLOSED, End.STORE_CLOSED}


@pytest.mark.parametrize("cut", [False, True], ids=["closed", "cut"])
async def test_a_session_that_is_over_leaves_nothing_to_the_collector(tls_sessions: Sessions, cut: bool) -> None:
    """Two TLS states each, which would wait for the collector by the hundred."""
    if not isinstance(asyncio.get_running_loop(), uvloop.Loop):
        pytest.skip("the TLS layer of asyncio keeps itself")
    gc.collect()
    before = len(of_relays())
    session = await tls_sessions.start()
    session.client.write(b"a1 NOOP\r\n")
    await session.store.read()
    states = [weakref.ref(transport.get_extra_info("ssl_object")) for transport in session.ours]
    gc.disable()
    try:
        if cut:
            session.relay.abort()
        await tls_sessions.ended(session)
        del session
        await until(lambda: not any(state() for state in states) and len(of_relays()) == before)
    finally:
        gc.enable()


@pytest.mark.parametrize("direction", ["to client", "to store"])
async def test_a_large_message_passes_a_slow_reader_in_constant_memory(sessions: Sessions, direction: str) -> None:
    session = await sessions.start()
    sender, reader = session.client, session.store
    if direction == "to client":
        sender, reader = reader, sender
    size = 64 * MEGABYTE
    piece = bytes(64 * 1024)

    async def send() -> None:
        for _ in range(size // len(piece)):
            sender.write(piece)
            await sender.drain()

    sending = asyncio.gather(send())
    before = resident()
    most = received = 0
    for reads in itertools.count():
        received += len(await reader.read())
        if received == size:
            break
        if reads % 8 == 0:
            await asyncio.sleep(0.001)  # slower than the sender
            most = max(most, resident())
    await sending
    # Sender and reader live in this process too; all of it is far below the message.
    assert most - before < 12 * MEGABYTE


async def until_blocked(transport: asyncio.Transport) -> None:
    """Wait until so much waits for a peer that the relay holds the other side back."""
    await until(lambda: unsent(transport) >= 64 * 1024)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the event loop does unasked."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # a write buffer has no event
            await asyncio.sleep(0.005)


def of_relays() -> list[object]:
    """Whatever there is that relays are made of."""
    return [each for each in gc.get_objects() if type(each).__module__ == Relay.__module__]


def resident() -> int:
    """Memory of this process, in octets."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def test_it_is_at_rest_once_the_store_has_answered_and_all_is_taken(sessions: Sessions) -> None:
    session = await sessions.start()
    relay = session.relay
    await until(lambda: relay.rest() > 0.0)  # nobody has said anything
    session.client.write(b"a SEARCH TEXT needle\r\n")
    await read_until(session.store, b"needle\r\n")
    assert relay.rest() == 0.0
    await asyncio.sleep(0.01)
    assert relay.rest() == 0.0, "the answer is owed, however long it takes"
    session.store.write(b"a OK nothing found\r\n")
    await read_until(session.client, b"found\r\n")
    await until(lambda: 0.0 < relay.rest() <= relay.silence())
    relay.abort()
    assert relay.rest() == 0.0
    await sessions.ended(session)


async def test_what_a_client_has_not_taken_yet_is_no_rest(sessions: Sessions) -> None:
    session = await sessions.start()
    letter = b"x" * (16 * MEGABYTE)
    session.store.write(letter)
    await until(lambda: unsent(session.ours[0]) > 0)
    assert session.relay.rest() == 0.0
    taken = 0
    while taken < len(letter):
        taken += len(await session.client.read())
    await until(lambda: session.relay.rest() > 0.0)
    await sessions.ended(session)
