"""The end of a connection: what was written still arrives, and no peer can make us wait for long."""

import asyncio
import ssl
from typing import Final

POLL: Final = 0.05  # seconds between looks at a write buffer: progress has no event
PATIENCE: Final = 3.0  # seconds without progress, or without the peer's answer to our close
LIMIT: Final = 30.0  # seconds for the writing; a peer that takes a byte now and then makes progress for ever


async def finish(transport: asyncio.Transport, lost: asyncio.Future[None], *, linger: bool = True) -> None:
    """Write out what is buffered, close, and abort whatever is left after the bounds above.

    `lost` is done when the protocol of `transport` has been told `connection_lost`; until then that protocol
    has to read on, into nothing. With `linger` the peer is told that nothing more comes and may finish first:
    a socket closed while the peer still sends is answered by a reset, which can destroy what we had sent.
    TLS has no such half-close, its own closing exchange serves.
    """
    try:
        await _flush(transport, lost)
        _shut(transport, linger=linger)
        if not lost.done():
            await asyncio.wait([lost], timeout=PATIENCE)
    finally:
        transport.abort()


async def finish_both(*ends: tuple[asyncio.Transport, asyncio.Future[None]]) -> None:
    """The same for two connections at once. Hardly ever does anything wait for either: then no task is made for it."""
    try:
        if any(unsent(transport) for transport, _ in ends):
            await asyncio.gather(*(finish(transport, lost) for transport, lost in ends))
            return
        for transport, _ in ends:
            _shut(transport, linger=True)
        if waiting := [lost for _, lost in ends if not lost.done()]:
            await asyncio.wait(waiting, timeout=PATIENCE)
    finally:
        for transport, _ in ends:
            transport.abort()


def unsent(transport: asyncio.Transport) -> int:
    """Bytes written that have not reached the kernel.

    The TLS transport of asyncio does not count what waits in the socket transport below it, and a close
    would lose that if the peer sent something meanwhile; uvloop flushes it itself.
    """
    below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    return transport.get_write_buffer_size() + (0 if below is None else int(below.get_write_buffer_size()))


def undelivered(transport: asyncio.Transport) -> bytes:
    """Plaintext that the TLS layer of an ended connection had received and not handed over.

    uvloop forgets it if the peer closes while reading is paused.
    """
    session: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    pieces: list[bytes] = []
    while session is not None:
        try:
            piece = session.read(64 * 1024)
        except ssl.SSLError:
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces)


class _Gone(asyncio.Transport):
    """In the place of a transport that is over, or not there yet."""

    def is_closing(self) -> bool:
        return True

    def abort(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


GONE: Final = _Gone()


def _shut(transport: asyncio.Transport, *, linger: bool) -> None:
    if transport.is_closing():  # a second close() would cut asyncio's TLS transport off from its protocol
        return
    if linger and transport.can_write_eof():
        transport.write_eof()
    else:
        transport.close()


async def _flush(transport: asyncio.Transport, lost: asyncio.Future[None]) -> None:
    if not (left := unsent(transport)):
        return
    loop = asyncio.get_running_loop()
    since = began = loop.time()
    while left and not lost.done() and (now := loop.time()) - since < PATIENCE and now - began < LIMIT:
        await asyncio.sleep(POLL)
        if (waiting := unsent(transport)) < left:
            left, since = waiting, loop.time()
