"""One connection, read through a buffer of our own, so that no byte crosses the border into TLS.

`asyncio`'s streams keep what was read ahead in clear text and deliver it after STARTTLS as if it had come
over TLS (python/cpython#142352, MagicStack/uvloop#707). Here the buffer must be empty at that moment.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar

from mailguard.net.addresses import connected
from mailguard.net.closing import PATIENCE, finish, undelivered

CAP: Final = 64 * 1024  # octets unread, above which the peer is no longer read from
HANDSHAKE: Final = 10.0  # seconds for a TLS handshake
_KEEPALIVE_TCP: Final = ((socket.TCP_KEEPIDLE, 120), (socket.TCP_KEEPINTVL, 30), (socket.TCP_KEEPCNT, 4))

P = TypeVar("P", bound=asyncio.Protocol)


class PlaintextBehindTls(ConnectionError):
    """Clear text followed the command that starts TLS: injected, or a broken peer. The connection is dropped."""


class Stream:
    """A connection before login: read, write, start TLS, then close it or hand its transport to a relay.

    One task reads at a time. A peer that has vanished reads as the end of input.
    """

    __slots__ = ("_input", "_transport", "tls")

    def __init__(self, transport: asyncio.Transport, received: "_Input") -> None:
        self._transport = transport
        self._input = received
        self.tls = _over_tls(transport)

    @property
    def peer(self) -> tuple[str, int]:
        """The other end's address: host and port, or the path of a unix socket and 0."""
        return _address(self._transport.get_extra_info("peername"))

    @property
    def local(self) -> tuple[str, int]:
        """Our end's, likewise."""
        return _address(self._transport.get_extra_info("sockname"))

    @property
    def ssl_object(self) -> ssl.SSLObject | None:
        """TLS as it was negotiated; None in clear."""
        negotiated: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        return negotiated

    async def read(self, at_most: int = CAP) -> bytes:
        """Whatever is there, at least one byte; b"" at the end of input."""
        return await self._input.take(at_most)

    def write(self, data: bytes) -> None:
        """Send, without waiting. Written to a peer that has gone, it is dropped."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait while the peer does not take what was written. Raises ConnectionResetError if it has gone."""
        await self._input.writable()

    async def start_tls(
        self, context: ssl.SSLContext, *, server_side: bool, server_hostname: str | None = None,
        timeout: float = HANDSHAKE,
    ) -> None:  # fmt: skip
        """Go on over TLS. Raises PlaintextBehindTls or another OSError; the connection is dropped then.

        Call it with no `await` after the reply that invites the peer to begin: its first bytes over TLS
        would count as clear text. (RFC 3207 §4.2, RFC 9051 §6.2.1)
        """
        loop = asyncio.get_running_loop()
        if self._input.unread():
            self.abort()
            raise PlaintextBehindTls(f"clear text from {self.peer[0]} behind the command that starts TLS")
        # Up to its first suspension start_tls() pauses reading and puts the TLS layer in our place: nothing
        # can be read between the look above and that.
        upgraded: asyncio.Transport | None = None
        try:
            upgraded = await loop.start_tls(
                self._transport, self._input, context, server_side=server_side, server_hostname=server_hostname,
                ssl_handshake_timeout=timeout, ssl_shutdown_timeout=PATIENCE,
            )  # fmt: skip
        finally:
            if upgraded is None:
                self.abort()
        if upgraded is None:  # asyncio: the connection was lost just then
            raise ConnectionAbortedError(f"{self.peer[0]} left during the TLS handshake")
        self._transport = self._input.transport = upgraded
        self.tls = True

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """The transport, reading paused, and what was read and not taken. The stream is dead afterwards."""
        return self._transport, self._input.hand_over()

    def abort(self) -> None:
        """Drop the connection at once, and all that was not sent."""
        self._transport.abort()

    async def close(self) -> None:
        """Send what was written, then close; a peer that does not read is dropped after a few seconds."""
        linger = self._input.discard()
        await finish(self._transport, self._input.lost, linger=linger)


class _Input(asyncio.Protocol):
    """The receiving end of a Stream: a capped buffer, and what the transport tells."""

    __slots__ = (
        "_blocked",
        "_buffer",
        "_ended",
        "_handed_over",
        "_paused",
        "_unwanted",
        "_waiter",
        "lost",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._ended = False  # no more input will come
        self._unwanted = False  # we are closing
        self._paused = False
        self._handed_over = False
        self._waiter: asyncio.Future[None] | None = None  # of the task that reads
        self._blocked: asyncio.Future[None] | None = None  # pending while the peer does not take what we write
        self.lost: asyncio.Future[None] = loop.create_future()

    def unread(self) -> bool:
        return bool(self._buffer)

    async def take(self, at_most: int) -> bytes:
        while not self._buffer and not self._ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = bytes(self._buffer[:at_most])
        del self._buffer[:at_most]
        if self._paused and not self.lost.done() and len(self._buffer) <= CAP:
            self._paused = False
            self.transport.resume_reading()
        return data

    async def writable(self) -> None:
        if self._blocked is not None:
            await asyncio.shield(self._blocked)  # a caller that gives up must not take it from others
        if self.lost.done():
            raise ConnectionResetError("the peer has gone")

    def hand_over(self) -> bytes:
        self._handed_over = True
        if not self.lost.done():
            self.transport.pause_reading()
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def discard(self) -> bool:
        """Take no more input but let it flow. True if some may still come."""
        open_ended = not self._ended
        self._ended = self._unwanted = True
        self._buffer.clear()
        if self._paused and not self.lost.done():
            self._paused = False
            self.transport.resume_reading()
        self._wake()
        return open_ended

    # What follows is called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream socket has a Transport

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._buffer += data
        if len(self._buffer) > CAP and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._ended = True
        self._wake()
        # In clear text the other direction stays open for our answer; TLS cannot, and warns if asked to.
        return not self._unwanted and not _over_tls(self.transport)

    def pause_writing(self) -> None:
        self._blocked = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._blocked is not None:
            self._blocked.set_result(None)
            self._blocked = None

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._handed_over and not self._ended:
            self._buffer += undelivered(self.transport)
        self._ended = True
        self.lost.set_result(None)
        self.resume_writing()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
            self._waiter = None


async def accept(sock: socket.socket, *, context: ssl.SSLContext | None, timeout: float = HANDSHAKE) -> Stream:
    """A stream over an accepted socket; with a context TLS comes first and nothing is read before it.

    Raises OSError (ssl.SSLError among them) if the peer leaves or does not speak TLS in time.
    """
    transport, received = await adopt(sock, _Input, context=context, timeout=timeout)
    return _stream(transport, received)


async def adopt(
    sock: socket.socket, factory: Callable[[], P], *, context: ssl.SSLContext | None, timeout: float = HANDSHAKE
) -> tuple[asyncio.Transport, P]:
    """The same for a protocol that is not ours."""
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {}
    if context is not None:
        options = {"ssl": context, "ssl_handshake_timeout": timeout, "ssl_shutdown_timeout": PATIENCE}
    protocol = factory()  # what uvloop returns in its place is its own TLS layer
    try:
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, **options)
    except BaseException:
        sock.close()
        raise
    return transport, protocol


async def connect(
    host: str, port: int, *, context: ssl.SSLContext | None, server_hostname: str | None,
    timeout: float | None, local_address: str = "",
) -> Stream:  # fmt: skip
    """A stream to a server: "unix:/path" or a host and a port, in `timeout` seconds, handshake included; with None
    its caller has a deadline.

    Raises OSError: refused, unknown host, TimeoutError, ssl.SSLCertVerificationError and the like.
    """
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {}
    if context is not None:
        options = {"ssl": context, "ssl_handshake_timeout": timeout, "ssl_shutdown_timeout": PATIENCE}
        options["server_hostname"] = server_hostname or host
    async with asyncio.timeout(timeout):
        if host.startswith("unix:"):
            transport, received = await loop.create_unix_connection(_Input, host.removeprefix("unix:"), **options)
        else:
            if local_address:
                options["local_addr"] = (local_address, 0)
            transport, received = await connected(_Input, host, port, **options)
    keep_alive(transport.get_extra_info("socket"))
    return _stream(transport, received)


def keep_alive(sock: socket.socket) -> None:
    """Let the kernel find out about peers that vanished without a word, within some four minutes."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        for option, value in _KEEPALIVE_TCP:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _stream(transport: asyncio.Transport, received: _Input) -> Stream:
    if transport.is_closing() or transport.get_extra_info("peername") is None:
        transport.abort()
        raise ConnectionResetError("the peer left at once")
    return Stream(transport, received)


def _over_tls(transport: asyncio.BaseTransport) -> bool:
    return transport.get_extra_info("ssl_object") is not None


def _address(name: object) -> tuple[str, int]:
    match name:
        case (str(host), int(port), *_):
            return host, port
        case _:
            return (name if isinstance(name, str) else "") or "unix", 0
