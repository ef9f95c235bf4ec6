"""One connection before login: no byte lost, none across the border into TLS."""

import asyncio
import errno
import socket
import ssl
import struct
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.net import closing
from mailguard.net.stream import CAP, PlaintextBehindTls, Stream, accept, adopt, connect
from tests.support.streams import (
    Tls,
    accept_at,
    accepted,
    listening,
    read_all,
    read_until,
    slow_client,
    stream_pair,
)

pytestmark = pytest.mark.both_loops


@pytest.fixture(params=["plain", "tls"])
def maybe_tls(request: pytest.FixtureRequest, tls: Tls) -> Tls | None:
    return tls if request.param == "tls" else None


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listening() as sock:
        yield sock


async def raw_client(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    """A client that is a bare socket, and the socket accepted for it."""
    client = socket.create_connection(listener.getsockname())
    client.setblocking(False)
    return client, await accepted(listener)


async def test_both_ends_talk(maybe_tls: Tls | None) -> None:
    client, server = await stream_pair(maybe_tls)
    server.write(b"* OK ready\r\n")
    await server.drain()
    assert await client.read() == b"* OK ready\r\n"
    assert client.tls is server.tls is (maybe_tls is not None)
    assert server.peer == client.local
    assert server.local == client.peer
    await asyncio.gather(client.close(), server.close())


async def heard_out(stream: Stream) -> bytes:
    """All that comes, then a close in return: else the other side waits for one."""
    received = await read_all(stream)
    await stream.close()
    return received


async def test_close_delivers_what_was_written_and_then_reads_as_end(maybe_tls: Tls | None) -> None:
    client, server = await stream_pair(maybe_tls)
    letter = bytes(range(256)) * 4096
    server.write(letter)
    received, _ = await asyncio.gather(heard_out(client), server.close())
    assert received == letter
    assert await client.read() == b""


async def test_what_was_received_before_the_end_is_still_read(maybe_tls: Tls | None) -> None:
    client, server = await stream_pair(maybe_tls)
    client.write(b"a1 LOGOUT\r\n")
    _, received = await asyncio.gather(client.close(), heard_out(server))
    assert received == b"a1 LOGOUT\r\n"
    assert await server.read() == b""


async def test_writing_to_a_peer_that_reset_is_harmless(listener: socket.socket) -> None:
    client, sock = await raw_client(listener)
    server = await accept(sock, context=None)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert await server.read() == b""
    for _ in range(10):
        server.write(b"x")
    with pytest.raises(ConnectionResetError):
        await server.drain()
    await server.close()


async def test_a_client_that_shuts_its_side_still_hears_the_answer(listener: socket.socket) -> None:
    client, sock = await raw_client(listener)
    server = await accept(sock, context=None)
    client.sendall(b"a1 LOGOUT\r\n")
    client.shutdown(socket.SHUT_WR)
    assert await read_all(server) == b"a1 LOGOUT\r\n"
    server.write(b"* BYE\r\n")
    await server.close()
    loop = asyncio.get_running_loop()
    assert await loop.sock_recv(client, 100) == b"* BYE\r\n"
    assert await loop.sock_recv(client, 100) == b""
    client.close()


# STARTTLS


async def test_clear_text_behind_starttls_ends_the_connection(tls: Tls) -> None:
    client, server = await stream_pair()
    client.write(b"a1 STARTTLS\r\n")
    assert await server.read() == b"a1 STARTTLS\r\n"
    client.write(b"a2 LOGIN x y\r\n")
    for _ in range(2):  # round trips, behind which the injected line is in our buffer
        server.write(b"a1 OK\r\n")
        await read_until(client, b"OK\r\n")
    with pytest.raises(PlaintextBehindTls):
        await server.start_tls(tls.server, server_side=True)
    assert await read_all(client) == b""
    await client.close()


async def test_tls_is_started_in_mid_connection(tls: Tls) -> None:
    client, server = await stream_pair()
    client.write(b"a1 STARTTLS\r\n")
    await server.read()

    async def begin() -> None:
        await read_until(client, b"a1 OK\r\n")
        await client.start_tls(tls.client, server_side=False, server_hostname="localhost")

    server.write(b"a1 OK\r\n")
    await asyncio.gather(begin(), server.start_tls(tls.server, server_side=True))
    assert client.tls
    assert server.tls
    client.write(b"a2 NOOP\r\n")
    assert await server.read() == b"a2 NOOP\r\n"
    await asyncio.gather(client.close(), server.close())


async def test_clear_text_sent_instead_of_a_handshake_never_reaches_the_reader(
    tls: Tls, listener: socket.socket
) -> None:
    client, sock = await raw_client(listener)
    server = await accept(sock, context=None)
    server.write(b"a1 OK\r\n")
    switching = asyncio.gather(server.start_tls(tls.server, server_side=True), return_exceptions=True)
    await asyncio.sleep(0)
    client.sendall(b"a2 LOGIN x y\r\n")
    (failure,) = await switching
    assert isinstance(failure, ssl.SSLError)
    assert await server.read() == b""
    client.close()


# Implicit TLS


async def test_data_sent_with_the_last_handshake_message_is_not_lost(tls: Tls) -> None:
    client, server = await stream_pair(tls)
    client.write(b"first")
    client.write(b" words")
    assert await read_until(server, b"words") == b"first words"
    await asyncio.gather(client.close(), server.close())


@pytest.mark.parametrize(
    "garbage", [b"", b"a1 LOGIN x y\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 70000]
)
async def test_what_is_not_a_handshake_is_a_quiet_error(tls: Tls, listener: socket.socket, garbage: bytes) -> None:
    client, sock = await raw_client(listener)
    loop = asyncio.get_running_loop()
    attempt = asyncio.gather(accept(sock, context=tls.server), return_exceptions=True)
    await asyncio.gather(loop.sock_sendall(client, garbage), return_exceptions=True)
    client.close()
    (failure,) = await attempt
    assert isinstance(failure, OSError)
    assert sock.fileno() == -1


async def test_a_silent_client_is_dropped_when_the_handshake_takes_too_long(tls: Tls, listener: socket.socket) -> None:
    client, sock = await raw_client(listener)
    with pytest.raises(OSError, match="handshake"):
        await accept(sock, context=tls.server, timeout=0.1)
    assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
    client.close()


async def test_a_cancelled_handshake_leaves_no_socket(tls: Tls, listener: socket.socket) -> None:
    client, sock = await raw_client(listener)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(accept(sock, context=tls.server), 0.1)
    assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
    client.close()


# The buffer


async def test_a_flood_is_held_back_at_the_cap_and_arrives_whole(maybe_tls: Tls | None) -> None:
    client, server = await stream_pair(maybe_tls)
    piece = bytes(range(256)) * 256
    pieces = 256  # 16 MB, more than the kernel takes

    async def flood() -> None:
        for _ in range(pieces):
            client.write(piece)
            await client.drain()

    flooding = asyncio.gather(flood())
    await asyncio.wait([flooding], timeout=1.0)
    assert not flooding.done()
    transport, unread = server.detach()
    assert CAP < len(unread) <= CAP + 300 * 1024  # the cap, and what the one read that crossed it brought
    collector = Collector(received := bytearray(unread), pieces * len(piece))
    transport.set_protocol(collector)
    transport.resume_reading()
    await asyncio.wait_for(collector.complete, 20)
    assert bytes(received) == piece * pieces
    await flooding
    transport.abort()
    await client.close()


@pytest.mark.parametrize("burst", [1, 7, 1000, 100_000])
async def test_detach_hands_over_every_byte(maybe_tls: Tls | None, burst: int) -> None:
    """Bytes arrive before, during and after the hand-over, and come out in order."""
    client, server = await stream_pair(maybe_tls)
    sent = bytes(i % 251 for i in range(burst * (400 if burst < 100_000 else 20)))

    async def send() -> None:
        for start in range(0, len(sent), burst):
            client.write(sent[start : start + burst])
            await client.drain()
            await asyncio.sleep(0)

    sending = asyncio.gather(send())
    received = bytearray(await server.read())
    transport, unread = server.detach()
    received += unread
    for _ in range(20):  # more arrives meanwhile
        await asyncio.sleep(0)
    successor = Collector(received, len(sent))
    transport.set_protocol(successor)
    transport.resume_reading()
    await asyncio.wait_for(successor.complete, 20)
    await sending
    assert received == sent
    transport.abort()
    await client.close()


class Collector(asyncio.Protocol):
    """Takes a connection over and collects until there is enough."""

    def __init__(self, received: bytearray, expected: int) -> None:
        self._received = received
        self._expected = expected
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) >= self._expected and not self.complete.done():
            self.complete.set_result(None)


async def test_adopt_gives_a_foreign_protocol_its_transport(maybe_tls: Tls | None, listener: socket.socket) -> None:
    collector = Collector(received := bytearray(), 5)
    context = None if maybe_tls is None else maybe_tls.server
    client_context = None if maybe_tls is None else maybe_tls.client

    async def serve() -> tuple[asyncio.Transport, Collector]:
        return await adopt(await accepted(listener), lambda: collector, context=context)

    client, (transport, protocol) = await asyncio.gather(
        connect(*listener.getsockname(), context=client_context, server_hostname="localhost", timeout=5), serve()
    )
    assert protocol is collector
    assert collector.transport is transport
    client.write(b"EHLO ")
    await asyncio.wait_for(collector.complete, 5)
    assert received == b"EHLO "
    transport.abort()
    await client.close()


# The end


@pytest.mark.usefixtures("impatient")
async def test_a_peer_that_never_reads_cannot_hold_a_close(maybe_tls: Tls | None) -> None:
    client, server = await stream_pair(maybe_tls)
    transport, _ = client.detach()  # reading paused from here on
    server.write(bytes(32_000_000))
    before = time.monotonic()
    await server.close()
    assert time.monotonic() - before > 0.1
    transport.abort()


async def test_a_peer_that_takes_a_little_for_ever_cannot_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "LIMIT", 0.5)
    loop = asyncio.get_running_loop()
    client, server = await slow_client()
    server.write(bytes(32_000_000))

    async def trickle() -> None:
        try:
            while await loop.sock_recv(client, 16 * 1024):  # noqa: ASYNC110  # slow on purpose
                await asyncio.sleep(0.01)
        except ConnectionResetError:
            pass

    before = time.monotonic()
    trickling = asyncio.gather(trickle())
    await server.close()
    assert time.monotonic() - before > 0.4
    await trickling
    client.close()


async def test_abort_drops_what_was_not_sent(maybe_tls: Tls | None) -> None:
    client, server = await stream_pair(maybe_tls)
    server.write(bytes(32_000_000))
    server.abort()
    received = await asyncio.wait_for(read_all(client), 10)
    assert len(received) < 32_000_000
    assert await server.read() == b""
    await client.close()


async def test_a_pipelining_client_hears_the_last_reply(maybe_tls: Tls | None) -> None:
    """Input left unread would make the kernel answer with a reset, which destroys what we had sent."""
    client, server = await stream_pair(maybe_tls)
    client.write(bytes(4_000_000))
    await server.read()
    server.write(b"* BYE too much\r\n")
    _, received = await asyncio.gather(server.close(), heard_out(client))
    assert received == b"* BYE too much\r\n"


async def test_input_during_a_close_does_not_cost_the_peer_the_rest(maybe_tls: Tls | None) -> None:
    """asyncio drops a TLS connection on input that comes behind its closing message, unsent bytes and all."""
    client, server = await stream_pair(maybe_tls)
    letter = bytes(range(256)) * 80_000  # more than the kernel takes
    server.write(letter)
    closing_server = asyncio.gather(server.close())
    await asyncio.sleep(0)
    client.write(b"a2 NOOP\r\n")
    received = await read_all(client)
    assert len(received) == len(letter)
    client.abort()
    await closing_server


# Dialling


async def test_connect_goes_out_from_the_given_address(listener: socket.socket) -> None:
    client, server = await asyncio.gather(
        connect(*listener.getsockname(), context=None, server_hostname=None, timeout=5, local_address="127.0.0.9"),
        accept_at(listener),
    )
    assert server.peer[0] == client.local[0] == "127.0.0.9"
    await asyncio.gather(client.close(), server.close())


async def test_connect_reaches_a_unix_socket(tmp_path: Path, maybe_tls: Tls | None) -> None:
    path = str(tmp_path / "store")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.setblocking(False)
        server_context, client_context = (maybe_tls.server, maybe_tls.client) if maybe_tls else (None, None)
        client, server = await asyncio.gather(
            connect(f"unix:{path}", 0, context=client_context, server_hostname="localhost", timeout=5),
            accept_at(listener, server_context),
        )
    assert client.peer == (path, 0)
    client.write(b"a1 NOOP\r\n")
    assert await server.read() == b"a1 NOOP\r\n"
    await asyncio.gather(client.close(), server.close())


async def test_a_store_that_does_not_answer_is_given_up_in_time(tls: Tls, listener: socket.socket) -> None:
    with pytest.raises(OSError):  # noqa: PT011  # the kernel accepts, nobody shakes hands; who notices first is open
        await connect(*listener.getsockname(), context=tls.client, server_hostname="localhost", timeout=0.2)


async def test_a_closed_port_is_refused() -> None:
    with listening() as listener:
        address = listener.getsockname()
    with pytest.raises(OSError) as caught:  # noqa: PT011
        await connect(*address, context=None, server_hostname=None, timeout=5)
    assert caught.value.errno == errno.ECONNREFUSED


async def test_keepalive_is_on_where_we_connect() -> None:
    client, server = await stream_pair()
    transport, _ = client.detach()
    sock = transport.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 120
    transport.abort()
    server.abort()


async def test_a_connection_that_waits_stays_small() -> None:
    """What our own objects hold for a connection that has sent 8 KiB without a line end."""
    count = 50
    await asyncio.gather(*(end.close() for end in await stream_pair()))  # warms the loop up
    tracemalloc.start()
    try:
        pairs: list[tuple[Stream, Stream]] = [await stream_pair() for _ in range(count)]
        for client, server in pairs:
            client.write(b"x" * 8192)
            server.write(b"* OK ready\r\n")
            await read_until(client, b"\r\n")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / count < 32 * 1024
    await asyncio.gather(*(end.close() for pair in pairs for end in pair))
