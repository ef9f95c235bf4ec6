"""aiosmtpd made fit for the network's edge: its skeleton of the protocol, without its traps.

aiosmtpd brings connection, session, command loop and dispatch. Closed here, each by a named test
(tests/proxy/test_smtp_front_traps.py), with the private parts leant on pinned by tests/contracts/test_aiosmtpd.py:

* it sees only lines that may be said now (`smtp_lines`), and none of its messages reaches a log;
* of its methods only the verbs in VERBS are found, so neither its AUTH nor its DATA can be reached;
* its constructor runs once for all connections, and nothing of it outlives the login;
* one deadline covers the whole dialogue, and one budget all errors;
* a client that leaves does not cancel the task: a decision on a login in it runs to its end.

(RFC 5321 §4.2, §4.5.3.2; RFC 3207 §4)
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import traceback
from collections.abc import Callable, Mapping
from enum import Enum, unique
from functools import lru_cache
from typing import AnyStr, Final, cast

import aiosmtpd.smtp
from aiosmtpd.smtp import SMTP

from mailguard.net.closing import GONE, PATIENCE, finish
from mailguard.net.stream import HANDSHAKE
from mailguard.proxy.smtp_lines import AUTH_MAX, CommandReader, Complaint, Farewell, HangUp

LINGER = 5.0  # seconds for a last reply to be fetched
ERRORS_MAX = 10
TLS_RECORD = 0x16  # the first byte of a ClientHello: iOS sends one to a clear port while it probes settings

CLEAR_VERBS = frozenset({b"EHLO", b"HELO", b"NOOP", b"QUIT", b"STARTTLS", b"AUTH"})  # AUTH: to say 538
VERBS = CLEAR_VERBS | {b"RSET", b"HELP", b"VRFY"}
_METHODS: Final = tuple((verb.decode(), f"smtp_{verb.decode()}") for verb in VERBS)

log = logging.getLogger("mailguard.front")

# aiosmtpd logs clients' lines. A logger that nobody can reach, since `disabled` is set back by logging.config.
aiosmtpd.smtp.log = logging.Logger("mail.log", logging.CRITICAL + 1)


def _unlogged(func: Callable[..., None], msg: str | bytes, *args: object, **kwargs: object) -> None:
    """For aiosmtpd's way of logging a line, which runs a pattern over each to log what has no reader."""


aiosmtpd.smtp.sanitized_log = _unlogged


@unique
class Phase(Enum):
    """Whom a connection waits for: what its deadline may cut depends on it."""

    CLIENT = "client"
    HANDSHAKE = "handshake"
    DECISION = "decision"


class _Sizes(dict[str, int]):
    """Lines are measured by CommandReader, with better replies. aiosmtpd's table grows with what clients say."""

    def __missing__(self, verb: str) -> int:
        return AUTH_MAX


class HardenedSMTP(SMTP):
    """One connection. `why` says how it ended, for the record."""

    command_size_limit = AUTH_MAX
    command_size_limits = _Sizes()

    def __init__(self, hostname: str, deadline: float, loop: asyncio.AbstractEventLoop) -> None:
        vars(self).update(_constructed(hostname))
        self.loop = loop
        self._smtp_methods = {verb: getattr(self, method) for verb, method in _METHODS}
        self.lines = CommandReader(_admit_in_clear, loop)
        asyncio.StreamReaderProtocol.__init__(self, self.lines, self._cb_client_connected, loop)
        self._link: asyncio.Transport = GONE
        self._lost: asyncio.Future[None] = loop.create_future()
        self.why = ""
        self.secure = False
        self.phase = Phase.CLIENT
        self.last = False  # the next reply is the last one
        self.overdue = False  # the deadline passed while the decision was awaited
        self._deadline = deadline
        self._heard = False
        self._errors = 0

    async def closed(self) -> None:
        """Send what was written, then close, within bounds."""
        if not self._lost.done():  # asyncio's TLS transport falls apart if it is closed once it is lost
            self.lines.discard()
            await finish(self._link, self._lost, linger=not self.lines.at_eof())

    def abort(self) -> None:
        """Cut the connection and whatever it waits for."""
        self._link.abort()
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on over TLS with nothing remembered; the caller has invited the client and paused reading before."""
        self.phase = Phase.HANDSHAKE
        try:
            link = await self.loop.start_tls(
                self._link, self, context, server_side=True,
                ssl_handshake_timeout=HANDSHAKE, ssl_shutdown_timeout=PATIENCE,
            )  # fmt: skip
        except OSError:
            link = None
        if link is None or self._link.is_closing():  # uvloop returns a TLS layer over nothing, if aborted meanwhile
            self._link.abort()
            self.connection_lost(None)  # which neither loop says if the deadline cut the handshake
            raise HangUp("no TLS")
        self.phase = Phase.CLIENT
        self._secured()
        self._use(link)
        self.transport = link
        self.session = self._create_session()

    def pause(self) -> None:
        """Read no more."""
        self._link.pause_reading()

    def release(self) -> tuple[asyncio.Transport, bytes]:
        """Give up the transport, reading paused, and what was read and not parsed. Ends the command loop."""
        assert self._timeout_handle is not None
        self._timeout_handle.cancel()
        link, leftover = self._link, self.lines.leftover()
        link.pause_reading()
        self._use(GONE)
        self.transport = None
        # The relay may last for days: let go of whatever leads back here, so that no collector has to find it.
        self._smtp_methods = {}
        self._client_connected_cb = self._stream_writer = None
        del self._writer
        return link, leftover

    def _secured(self) -> None:
        self.secure = True
        self.lines.admit = _admit_over_tls

    def _use(self, link: asyncio.Transport) -> None:
        self._link = link
        self.lines.follow(link)
        self._writer._transport = link  # type: ignore[attr-defined]

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the dialogue."""
        self._link = cast("asyncio.Transport", transport)
        if transport.get_extra_info("ssl_object") is not None:
            self._secured()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Take the client's bytes; a ClientHello on a clear port is a probe, not abuse."""
        if not self._heard and not self.secure and data[0] == TLS_RECORD:
            self._because("began TLS on a clear port")
            self._link.abort()
            return
        self._heard = True
        super().data_received(data)

    def eof_received(self) -> bool:
        """Answer what came before it, where the transport can be half open. aiosmtpd would cancel its task."""
        self.lines.feed_eof()
        return not self.secure and not self.lines.deaf  # which it is once our last word is said

    def connection_lost(self, error: Exception | None) -> None:
        """Let the command loop find out. aiosmtpd would cancel its task, and with it the decision on a login."""
        assert self._timeout_handle is not None
        self._timeout_handle.cancel()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None
        if not self._lost.done():
            self._lost.set_result(None)

    # Called by the deadline

    def _reset_timeout(self, duration: float | None = None) -> None:
        # aiosmtpd calls this at every command: a NOOP now and then would keep a connection for ever.
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_later(self._deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        self._because("too slow")
        if self.phase is Phase.DECISION:
            self.overdue = True
            return
        if self.phase is Phase.HANDSHAKE:
            self._link.abort()
            return
        self._writer.write(b"421 4.4.2 Too slow, closing\r\n")
        self.lines.set_exception(ConnectionAbortedError())
        self._timeout_handle = self.loop.call_later(LINGER, self._link.abort)  # if it does not even read

    # Called by aiosmtpd

    async def _handle_client(self) -> None:
        try:
            await super()._handle_client()
        except HangUp as end:
            self._because(end.why)

    async def push(self, status: AnyStr) -> None:
        """Send one reply; hang up behind the last one, which the tenth error is."""
        reply = status if isinstance(status, bytes) else status.encode()
        self._errors += reply.startswith((b"4", b"5"))
        if self._errors == ERRORS_MAX and not self.last:
            reply += b"\r\n421 4.7.0 Too many errors, closing"
            self.last = True
            self._because("too many errors")
        try:
            await super().push(reply)
        except OSError:
            raise HangUp("the client left") from None
        if self.last:
            raise HangUp(self.why)

    async def handle_exception(self, error: Exception) -> str:
        """The reply to what went wrong. aiosmtpd's own quotes the exception to the client, and the log."""
        match error:
            case Farewell():
                self.last = True
                self._because(error.why)
                return error.reply
            case Complaint():
                return error.reply
            case _:
                where = traceback.extract_tb(error.__traceback__)[-1]
                kind = type(error).__name__  # its text may quote the client
                log.error("submission front failed", extra={"error": kind, "at": f"{where.filename}:{where.lineno}"})
                self.last = True
                self._because("a fault of ours")
                return "421 4.3.0 Internal error, closing"

    def _because(self, why: str) -> None:
        self.why = self.why or why  # the first cause, not what followed from it


def _admit_in_clear(line: bytes) -> None:
    if line.partition(b" ")[0].upper() not in CLEAR_VERBS:
        raise Complaint("530 5.7.0 Must issue a STARTTLS command first")


def _admit_over_tls(line: bytes) -> None:
    if line.partition(b" ")[0].upper() not in VERBS:
        raise Complaint("530 5.7.0 Authentication required")


class _Bare(HardenedSMTP):
    """What aiosmtpd's constructor runs on. It looks for commands by dir(), which is most of what it costs."""

    def __init__(self, hostname: str, loop: asyncio.AbstractEventLoop) -> None:
        # enable_SMTPUTF8 has arguments decoded without loss; hostname spares a blocking look-up.
        SMTP.__init__(
            self, None, hostname=hostname, ident="ESMTP mailguard",
            enable_SMTPUTF8=True, data_size_limit=None, loop=loop,
        )  # fmt: skip

    def __dir__(self) -> list[str]:
        return []


@lru_cache(maxsize=8)
def _constructed(hostname: str) -> Mapping[str, object]:
    """What aiosmtpd's constructor makes of our settings, without the streams that are each connection's own.

    Nothing in it is written to later, or turns on the connection.
    """
    loop = asyncio.get_running_loop()
    bare = _Bare(hostname, loop)
    reader = asyncio.StreamReader(loop=loop)
    streams = vars(asyncio.StreamReaderProtocol(reader, bare._cb_client_connected, loop))
    return {name: value for name, value in vars(bare).items() if name not in streams and name != "loop"}
