"""Taking connections in: shared between processes, through exhaustion, until told to stop."""

import asyncio
import errno
import os
import resource
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailguard.net.listener import BREATHER, BindError, Listener, bind
from mailguard.net.stream import accept
from mailguard.net.tasks import Tasks
from tests.support.streams import listening

pytestmark = pytest.mark.both_loops

WORKER = """
import asyncio, os, socket, sys
from mailguard.net.listener import Listener
from mailguard.net.tasks import Tasks

async def serve(sock, peer):
    await asyncio.get_running_loop().sock_sendall(sock, b"other")
    sock.close()

async def main():
    listener = Listener(socket.socket(fileno=int(sys.argv[1])), serve, tasks := Tasks(), "imap")
    listener.start()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await listener.stop()
    await tasks.close()

asyncio.run(main())
"""


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    tasks = Tasks()
    yield tasks
    await tasks.close()


async def call(address: tuple[str, int]) -> bytes:
    """Connect, and read until the server closes."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, address)
        return await loop.sock_recv(client, 100)


async def test_each_connection_is_served_with_its_peers_address(tasks: Tasks) -> None:
    peers: list[tuple[str, int]] = []

    async def serve(sock: socket.socket, peer: tuple[str, int]) -> None:
        peers.append(peer)
        stream = await accept(sock, context=None)
        assert stream.peer == peer
        stream.write(b"* OK\r\n")
        await stream.close()

    with bind("127.0.0.1:0") as sock:
        listener = Listener(sock, serve, tasks, "imap")
        listener.start()
        assert await asyncio.gather(*(call(sock.getsockname()) for _ in range(40))) == [b"* OK\r\n"] * 40
        await listener.stop()
    assert len(set(peers)) == 40


async def test_keepalive_is_on_where_we_accept(tasks: Tasks) -> None:
    options: list[tuple[int, int]] = []

    async def serve(sock: socket.socket, _: tuple[str, int]) -> None:
        with sock:
            on = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            options.append((on, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)))

    with bind("127.0.0.1:0") as sock:
        listener = Listener(sock, serve, tasks, "imap")
        listener.start()
        await call(sock.getsockname())
        await listener.stop()
    assert options == [(1, 120)]


async def test_a_crashing_session_does_not_end_the_others(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    async def serve(sock: socket.socket, peer: tuple[str, int]) -> None:
        with sock:
            raise LookupError(peer)

    with bind("127.0.0.1:0") as sock:
        listener = Listener(sock, serve, tasks, "imap")
        listener.start()
        for _ in range(3):
            assert await call(sock.getsockname()) == b""
        await listener.stop()
    await tasks.close()
    assert [record.__dict__["task"].startswith("imap 127.0.0.1:") for record in caplog.records] == [True] * 3


async def test_stop_leaves_sessions_alone_and_the_socket_open(tasks: Tasks) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    clients = Tasks()

    async def serve(sock: socket.socket, _: tuple[str, int]) -> None:
        begun.set()
        await go_on.wait()
        with sock:
            await asyncio.get_running_loop().sock_sendall(sock, b"still here")

    with bind("127.0.0.1:0") as sock:
        listener = Listener(sock, serve, tasks, "imap")
        listener.start()
        session = clients.spawn(call(sock.getsockname()), name="client")
        await begun.wait()
        await listener.stop()

        waiting = clients.spawn(call(sock.getsockname()), name="client")  # the kernel takes it, we do not
        await asyncio.wait([waiting], timeout=0.1)
        assert len(tasks) == 1
        go_on.set()
        assert await session == b"still here"
        assert not waiting.done()

        listener.start()
        assert await waiting == b"still here"
        await listener.stop()


async def test_another_process_accepts_from_the_same_socket(tasks: Tasks) -> None:
    async def serve(sock: socket.socket, _: tuple[str, int]) -> None:
        with sock:
            await asyncio.get_running_loop().sock_sendall(sock, b"this")

    with bind("127.0.0.1:0") as sock:
        other = subprocess.Popen(  # noqa: ASYNC220  # does not wait
            [sys.executable, "-c", WORKER, str(sock.fileno())],
            pass_fds=[sock.fileno()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        with other:
            assert other.stdin is not None
            assert other.stdout is not None
            assert await asyncio.to_thread(other.stdout.readline) == b"ready\n"
            listener = Listener(sock, serve, tasks, "imap")
            listener.start()
            servers: set[bytes] = set()
            async with asyncio.timeout(20):
                while len(servers) < 2:
                    servers |= set(await asyncio.gather(*(call(sock.getsockname()) for _ in range(50))))
            assert servers == {b"this", b"other"}
            await listener.stop()
            assert await call(sock.getsockname()) == b"other"
            other.stdin.close()


async def test_without_descriptors_it_takes_a_breath_and_goes_on(
    tasks: Tasks, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve(sock: socket.socket, _: tuple[str, int]) -> None:
        with sock:
            await asyncio.get_running_loop().sock_sendall(sock, b"at last")

    loop = asyncio.get_running_loop()
    "localhost".encode("idna")  # its first use opens a file, and this test's own connection needs it
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with bind("127.0.0.1:0") as sock, socket.socket() as client:
        client.setblocking(False)
        listener = Listener(sock, serve, tasks, "imap")
        listener.start()
        highest = os.open("/dev/null", os.O_RDONLY)
        os.close(highest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, limits[1]))
        try:
            await loop.sock_connect(client, sock.getsockname())
            await asyncio.sleep(BREATHER / 2)  # it would log thousands of times in this
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert await loop.sock_recv(client, 100) == b"at last"
        await listener.stop()
    (record,) = caplog.records
    assert (record.__dict__["listener"], record.__dict__["detail"]) == ("imap", os.strerror(errno.EMFILE))


async def test_a_session_that_never_began_leaves_no_socket_open() -> None:
    async def serve(sock: socket.socket, _: tuple[str, int]) -> None:
        raise AssertionError(sock)

    tasks = Tasks()
    loop = asyncio.get_running_loop()
    with bind("127.0.0.1:0") as sock, socket.create_connection(sock.getsockname()) as client:
        client.setblocking(False)
        listener = Listener(sock, serve, tasks, "imap")
        listener._accept()
        await tasks.close()  # before its first step
        assert await loop.sock_recv(client, 1) == b""


# Binding


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "[::]:0"])
def test_bind_listens_without_blocking(address: str) -> None:
    with bind(address) as sock:
        assert sock.getsockname()[1] > 0
        assert not sock.getblocking()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


async def test_the_ipv6_wildcard_takes_ipv4_too(tasks: Tasks) -> None:
    async def serve(sock: socket.socket, peer: tuple[str, int]) -> None:
        with sock:
            await asyncio.get_running_loop().sock_sendall(sock, peer[0].encode())

    with bind("[::]:0") as sock:
        listener = Listener(sock, serve, tasks, "imap")
        listener.start()
        assert await call(("127.0.0.1", sock.getsockname()[1])) == b"::ffff:127.0.0.1"
        await listener.stop()


@pytest.mark.parametrize(
    "address", ["", "993", "imap", "::1:993", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:-1", ":993", "[]:1"]
)
def test_what_is_no_address_is_told_how_to_write_one(address: str) -> None:
    with pytest.raises(BindError, match=r"write 0\.0\.0\.0:993"):
        bind(address)


def test_a_port_in_use_names_the_way_to_its_owner() -> None:
    with listening() as sock, pytest.raises(BindError, match=f"ss -ltnp sport = :{sock.getsockname()[1]}"):
        bind(f"127.0.0.1:{sock.getsockname()[1]}")


@pytest.mark.parametrize(("address", "remedy"), [("192.0.2.1:0", "ip address"), ("no-such-host.invalid:0", "0.0.0.0")])
def test_an_address_of_another_machine_is_refused(address: str, remedy: str) -> None:
    with pytest.raises(BindError, match=remedy):
        bind(address)
