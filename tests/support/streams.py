"""Connections for tests: real streams and relays over real sockets, all within the test's own event loop."""

import asyncio
import socket
import ssl
from dataclasses import dataclass

from mailguard.net.stream import Stream, accept, connect
from mailguard.net.tls import client_context, server_context
from tests.support.certs import Authority, Issued

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Tls:
    """What a server shows, and what its clients trust."""

    server: ssl.SSLContext
    client: ssl.SSLContext

    @classmethod
    def of(cls, authority: Authority, issued: Issued) -> "Tls":
        """For a server with this certificate."""
        return cls(server_context(issued.certificate, issued.key, minimum="TLSv1.2"), client_context(authority.ca))


def listening() -> socket.socket:
    """A non-blocking listening socket on loopback."""
    sock = socket.create_server((HOST, 0))
    sock.setblocking(False)
    return sock


async def accepted(listener: socket.socket) -> socket.socket:
    """The next connection, as a plain non-blocking socket."""
    sock, _ = await asyncio.get_running_loop().sock_accept(listener)
    sock.setblocking(False)
    return sock


async def stream_pair(tls: Tls | None = None, name: str = "localhost") -> tuple[Stream, Stream]:
    """Both ends of one TCP connection: (the connecting one, the accepting one), over TLS where it is given."""
    server, client = (tls.server, tls.client) if tls is not None else (None, None)
    with listening() as listener:
        return await asyncio.gather(
            connect(*listener.getsockname(), context=client, server_hostname=name, timeout=10),
            accept_at(listener, server),
        )


async def accept_at(listener: socket.socket, context: ssl.SSLContext | None = None) -> Stream:
    """The next connection, as a stream."""
    return await accept(await accepted(listener), context=context)


async def slow_client() -> tuple[socket.socket, Stream]:
    """A bare non-blocking client socket that can hold little in the kernel, and the stream accepted for it."""
    with listening() as listener:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024)
        client.connect(listener.getsockname())
        client.setblocking(False)
        return client, await accept_at(listener)


async def read_until(stream: Stream, end: bytes) -> bytes:
    """Read until what came ends with `end`."""
    data = b""
    while not data.endswith(end):
        piece = await stream.read()
        if not piece:
            raise EOFError(f"the peer closed after {data!r}")
        data += piece
    return data


async def read_all(stream: Stream) -> bytes:
    """Read until the peer closes."""
    data = bytearray()
    while piece := await stream.read():
        data += piece
    return bytes(data)
