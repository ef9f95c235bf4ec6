"""After login: two transports become one pipe, and can be cut from outside at any moment."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

from mailguard.net.closing import GONE, finish_both, undelivered, unsent

log = logging.getLogger("mailguard.net")

IDLE: Final = 31 * 60.0  # seconds; IMAP clients renew IDLE within 29 minutes (RFC 2177)
STALL: Final = 5 * 60.0  # seconds in which a peer that we have something for takes nothing of it
HIGH_WATER: Final = 64 * 1024  # octets waiting for one peer, above which the other is not read
# One TLS record is up to 16 KiB and an incomplete one stays put, so the low mark must be above that.
TLS_HIGH_WATER: Final = 64 * 1024
TLS_LOW_WATER: Final = 32 * 1024


@unique
class End(Enum):
    """Why a relay ended."""

    CLIENT_CLOSED = "client-closed"
    STORE_CLOSED = "store-closed"
    ABORTED = "aborted"  # by us: revoked, ended by an administrator, drained
    IDLE = "idle"
    STALLED = "stalled"  # one side would not take what the other had sent
    LOST = "lost"  # a connection broke


@dataclass(frozen=True, slots=True)
class RelayEnd:
    """Why a relay ended, and how many octets it passed on in each direction."""

    why: End
    to_store: int
    to_client: int


class Relay:
    """Carries bytes between a client and its store, both ways, unaltered and in order.

    Both transports must have reading paused; `to_store` and `to_client` were read from them before and go
    first. `tap` is shown what the client sends, after it has been passed on, until it returns True.
    Between reading and writing no byte is copied; no task runs per chunk. What a slow peer has not
    taken holds back the other side instead of piling up here.
    """

    __slots__ = ("_client", "_first", "_idle", "_loop", "_pipe", "_stall", "_store")

    def __init__(
        self, client: asyncio.Transport, store: asyncio.Transport, *, to_store: bytes, to_client: bytes,
        tap: Callable[[bytes], bool] | None = None, idle: float = IDLE, stall: float = STALL,
    ) -> None:  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self._pipe = _Pipe(self._loop)
        self._client = _Side(self._pipe, client, End.CLIENT_CLOSED, tap)
        self._store = _Side(self._pipe, store, End.STORE_CLOSED, None)
        self._client.other, self._store.other = self._store, self._client
        self._first = (to_store, to_client)
        self._idle = idle
        self._stall = stall

    async def run(self) -> RelayEnd:
        """Carry until either side closes, nothing moves any more, or `abort`; both are closed on return.

        What one side sent before it closed is still delivered to the other, if that one reads on.
        """
        pipe, client, store = self._pipe, self._client, self._store
        try:
            if not pipe.over:
                self._begin()
                await pipe.ended
                client.release()
                store.release()
                await finish_both((client.transport, client.lost), (store.transport, store.lost))
        finally:
            self.abort()
            if pipe.alarm is not None:
                pipe.alarm.cancel()
        return RelayEnd(pipe.ended.result(), store.octets, client.octets)

    def silence(self) -> float:
        """Seconds since either side last sent anything."""
        return self._loop.time() - self._pipe.moved

    def rest(self) -> float:
        """Seconds of silence in which nothing is under way; 0.0 while the store owes an answer, or a side has not taken
        all that was sent to it. Whoever is cut while a letter's receipt is owed sends it once more."""
        moving = self._pipe.asked or any(unsent(side.transport) for side in (self._client, self._store))
        return 0.0 if moving or self._pipe.over else self.silence()

    def carried(self) -> tuple[int, int]:
        """Octets passed on so far: to the store, to the client."""
        return self._store.octets, self._client.octets

    def abort(self) -> None:
        """Cut both connections within this call; nothing is written after it."""
        self._pipe.end(End.ABORTED)
        self._client.cut()
        self._store.cut()

    def _begin(self) -> None:
        (to_store, to_client), self._first = self._first, (b"", b"")
        self._client.attach()
        self._store.attach()
        if to_store:
            self._client.data_received(to_store)
        if to_client:
            self._store.data_received(to_client)
        self._client.start()
        self._store.start()
        self._look_later(self._pipe.moved + self._idle)

    def _check(self) -> None:
        """The one timer: it looks at what happened since, so that no chunk has to reset it."""
        pipe = self._pipe
        if pipe.over:
            return
        now = self._loop.time()
        due = pipe.moved + self._idle
        if now >= due:
            pipe.end(End.IDLE)
        for side in (self._client, self._store):
            if (since := side.blocked(now)) is None:
                continue
            if now >= since + self._stall:
                pipe.end(End.STALLED)
                self.abort()
            due = min(due, since + self._stall)
        if not pipe.over:
            self._look_later(due)

    def _look_later(self, due: float) -> None:
        # Often enough to find out in time of a side that begins to block meanwhile.
        self._pipe.alarm = self._loop.call_at(min(due, self._loop.time() + self._stall), self._check)


class _Pipe:
    """What both sides share. It refers to neither: a session that is over leaves nothing to the garbage collector,
    which would come late for two TLS states."""

    __slots__ = ("alarm", "asked", "ended", "moved", "now", "over")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time
        self.moved = loop.time()  # when either side last sent anything
        self.asked = False  # it was the client
        self.over = False  # nothing is passed on any more
        self.ended: asyncio.Future[End] = loop.create_future()
        self.alarm: asyncio.TimerHandle | None = None

    def end(self, why: End) -> None:
        """The first reason counts."""
        self.over = True
        if not self.ended.done():
            self.ended.set_result(why)


class _Side(asyncio.Protocol):
    """One of the two connections.

    No BufferedProtocol: through uvloop's TLS layer that costs 2 to 10 µs more a round trip, and in bulk it saves
    nothing, for what is written has to be an object of its own.
    """

    __slots__ = ("_blocked_at", "_closed", "_left", "_pipe", "_tap", "lost", "octets", "other", "transport")

    other: "_Side"

    def __init__(
        self, pipe: _Pipe, transport: asyncio.Transport, closed: End, tap: Callable[[bytes], bool] | None
    ) -> None:
        self.transport = transport
        self.octets = 0  # sent to this side
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pipe = pipe
        self._closed = closed
        self._tap = tap
        self._blocked_at: float | None = None
        self._left = 0  # octets that waited when it was last looked at

    @property
    def takes(self) -> bool:
        """No more waits for this side than should."""
        return self._blocked_at is None

    def attach(self) -> None:
        """Become the protocol of the transport, which goes on holding its input back."""
        if self.transport.is_closing():
            self.lost.set_result(None)  # its protocol of that time has been told, or will be
            return
        self.transport.set_protocol(self)
        self.transport.set_write_buffer_limits(HIGH_WATER)
        limit = getattr(self.transport, "set_read_buffer_limits", None)  # TLS only
        if limit is not None:
            limit(TLS_HIGH_WATER, TLS_LOW_WATER)

    def start(self) -> None:
        """Let the input flow, unless the other side blocks already."""
        if self.lost.done():
            self._last_words()
            self._pipe.end(self._closed)
        elif self.other.takes:
            self.transport.resume_reading()

    def blocked(self, now: float) -> float | None:
        """Since when this side has taken nothing though something waits for it."""
        if self._blocked_at is not None and (left := unsent(self.transport)) != self._left:
            if left < self._left:
                self._blocked_at = now
            self._left = left
        return self._blocked_at

    def release(self) -> None:
        """Read on, into nothing: input left unread would turn our close into a reset and lose what we sent."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def cut(self) -> None:
        self.transport.abort()

    # What follows is called by the transport.

    def data_received(self, data: bytes) -> None:
        """Pass on what this side sent; dropped if the other is closing."""
        pipe = self._pipe
        if pipe.over:
            return
        pipe.moved = pipe.now()
        pipe.asked = self._closed is End.CLIENT_CLOSED
        other = self.other
        if not other.transport.is_closing():
            other.octets += len(data)
            other.transport.write(data)
        if self._tap is not None:
            self._show(self._tap, data)

    def eof_received(self) -> None:
        # Neither loop can half-close TLS, so one end ends both directions.
        self._pipe.end(self._closed)

    def pause_writing(self) -> None:
        self._blocked_at = self._pipe.now()
        self._left = unsent(self.transport)
        if not self._pipe.over and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self._blocked_at = None
        if not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)
        self._last_words()
        self._pipe.end(self._closed if exc is None else End.LOST)
        # uvloop's TLS layer keeps a protocol's methods for ever: what leads back to it from here would keep it too.
        self.transport = GONE
        del self.other  # asked for nothing more: the pipe is over

    def _last_words(self) -> None:
        if rest := undelivered(self.transport):
            self.data_received(rest)

    def _show(self, tap: Callable[[bytes], bool], data: bytes) -> None:
        try:
            done = tap(data)
        except Exception:
            log.exception("the tap of a relay failed and was removed")
            done = True
        if done:
            self._tap = None
