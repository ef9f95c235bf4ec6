"""Submission before login, one client from accept to close.

    accept → (TLS) → aiosmtpd's command loop → AUTH → Gate.login → 235 → Gate.relay

Nothing is parsed after the 235, so no second opinion can arise on where a message ends (SMTP smuggling).
(RFC 6409 §4.3; RFC 8314 §3.3; RFC 4954 §4)
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Protocol

from mailguard.auth.attempt import LoginAttempt, Reason, Refused
from mailguard.net.stream import HANDSHAKE, adopt
from mailguard.protocols import codes, sasl
from mailguard.proxy.house import PRE_LOGIN_SECONDS
from mailguard.proxy.smtp_hardened import HardenedSMTP, Phase
from mailguard.proxy.smtp_lines import Complaint, Farewell, HangUp

if TYPE_CHECKING:
    import socket

    from mailguard.backends.leg import Leg
    from mailguard.net.listener import Afterwards


class Gate(Protocol):
    """The session behind one connection."""

    async def login(self, attempt: LoginAttempt, helo: str) -> Leg | Refused:
        """A leg to the store, or why not; the refusal has waited out its delay."""

    async def relay(self, client: asyncio.Transport, leftover: bytes, leg: Leg) -> None:
        """Take both transports over; the client has its 235."""

    def done(self, why: str) -> None:
        """The connection ended without a relay."""


@dataclass(frozen=True, slots=True)
class SubmissionPort:
    """What all connections of one port share. With `starttls` the TLS context waits for that command."""

    hostname: str
    say: codes.Say
    keywords: Callable[[], tuple[bytes, ...] | None]  # EHLO lines of the store; None: it is known to be down
    context: ssl.SSLContext
    starttls: bool
    deadline: float = PRE_LOGIN_SECONDS


@dataclass(frozen=True, slots=True)
class Handover:
    """A client that is in: its transport with reading paused, what it said behind AUTH, its leg."""

    client: asyncio.Transport
    leftover: bytes
    leg: Leg


async def serve(
    sock: socket.socket, gate: Gate, port: SubmissionPort, *, admitted: Callable[[], None]
) -> Afterwards | None:
    """One accepted connection until its client is in, or gone. `admitted` is called at login.

    Returns the relay, to be run when this is forgotten, or has called `gate.done`. Cancelling it cuts the connection,
    and a decision in flight.
    """
    handover = await _until_login(sock, gate, port)
    if handover is None:
        return None
    admitted()
    return partial(gate.relay, handover.client, handover.leftover, handover.leg)


async def _until_login(sock: socket.socket, gate: Gate, port: SubmissionPort) -> Handover | None:
    front = SubmissionFront(port, gate, asyncio.get_running_loop())
    handover = None
    try:
        await adopt(sock, lambda: front, context=None if port.starttls else port.context, timeout=HANDSHAKE)
        handover = await front.finished()
    except OSError:
        pass  # no TLS came about
    finally:
        if handover is None:
            front.abort()
            gate.done(front.why or "no TLS")
    return handover


class SubmissionFront(HardenedSMTP):
    """The commands a client may use before login, found by their names."""

    def __init__(self, port: SubmissionPort, gate: Gate, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(port.hostname, port.deadline, loop)
        self._port = port
        self._gate = gate
        self._keywords = port.keywords()  # once, so that the list cannot change under a client
        self._handover: Handover | None = None

    async def finished(self) -> Handover | None:
        """Wait until the dialogue is over: the client that is in, None once another is gone."""
        assert self._handler_coroutine is not None
        await self._handler_coroutine
        if self._handover is None:
            await self.closed()
        return self._handover

    def abort(self) -> None:
        """Cut the connection, or both where it has passed and nobody took it over."""
        if self._handover is None:
            super().abort()
        else:
            self._handover.client.abort()
            self._handover.leg.abort()

    async def _handle_client(self) -> None:
        if self._keywords is None:
            self._because("the store is down")
            self._writer.write(b"421 4.3.2 %b\r\n" % codes.BUSY.encode())
        else:
            await super()._handle_client()

    async def smtp_EHLO(self, hostname: str | None) -> None:  # noqa: N802
        """What the store offers and how to log in. (RFC 5321 §4.1.1.1; RFC 4954 §3)"""
        self._hello(hostname, extended=True)
        ways = b"AUTH PLAIN LOGIN" if self.secure else b"STARTTLS"
        await self.push(_ehlo(self._port.hostname, self._keywords or (), ways))

    async def smtp_HELO(self, hostname: str | None) -> None:  # noqa: N802
        """The old greeting, with which there is no AUTH. (RFC 5321 §4.1.1.1)"""
        self._hello(hostname, extended=False)
        await self.push(f"250 {self._port.hostname}")

    def _hello(self, hostname: str | None, *, extended: bool) -> None:
        if not hostname:
            raise Complaint("501 5.5.4 Say who you are: EHLO hostname")
        assert self.session is not None
        self.session.host_name = hostname
        self.session.extended_smtp = extended

    async def smtp_NOOP(self, arg: str | None) -> None:  # noqa: N802
        """Nothing. (RFC 5321 §4.1.1.9)"""
        await self.push("250 2.0.0 OK")

    async def smtp_RSET(self, arg: str | None) -> None:  # noqa: N802
        """Nothing: there is no transaction before login. (RFC 5321 §4.1.1.5)"""
        await self.push("250 2.0.0 OK")

    async def smtp_VRFY(self, arg: str | None) -> None:  # noqa: N802
        """Never an answer about users. (RFC 5321 §3.5.3)"""
        await self.push("252 2.5.2 Not verified, send some mail")

    async def smtp_HELP(self, arg: str | None) -> None:  # noqa: N802
        """Where to read on. (RFC 5321 §4.1.1.8)"""
        await self.push(f"214 2.0.0 {self._port.say.text('Log in with AUTH')}")

    async def smtp_QUIT(self, arg: str | None) -> None:  # noqa: N802
        """Goodbye. (RFC 5321 §4.1.1.10)"""
        raise Farewell("221 2.0.0 Bye", "quit")

    async def smtp_STARTTLS(self, arg: str | None) -> None:  # noqa: N802
        """Begin TLS, forget what was said in clear. (RFC 3207 §4)"""
        if self.lines.leftover():  # injected: it would be read as if it had come over TLS (CVE-2011-0411)
            raise Farewell("501 5.5.1 Nothing may follow STARTTLS", "sent bytes behind STARTTLS")
        if self.secure:
            raise Complaint("503 5.5.1 TLS has begun already")
        if arg:
            raise Complaint("501 5.5.4 STARTTLS takes no argument")
        self.pause()  # what comes from here on is for TLS alone
        await self.push("220 2.0.0 Ready to start TLS")
        await self.start_tls(self._port.context)

    async def smtp_AUTH(self, arg: str | None) -> None:  # noqa: N802
        """One SASL exchange, then the decision. (RFC 4954 §4)"""
        assert self.session is not None
        if not self.secure:
            raise Complaint("538 5.7.11 Encryption required, begin with STARTTLS")
        if not self.session.extended_smtp:
            raise Complaint("503 5.5.1 Send EHLO first")
        if not arg:
            raise Complaint("501 5.5.4 Name a mechanism: PLAIN or LOGIN")
        mechanism, _, initial = arg.encode("utf-8", "surrogateescape").partition(b" ")
        exchange = sasl.exchange(mechanism)
        if exchange is None:
            raise Complaint("504 5.5.4 The mechanisms are PLAIN and LOGIN")
        step = exchange.begin(initial.strip() or None)
        while isinstance(step, sasl.Challenge):
            await self.push(b"334 " + step.base64)
            step = exchange.answer(await self.lines.response())
        if isinstance(step, LoginAttempt):
            await self._decide(step)
        else:
            await self.push(_rejection(step.fault, self._port.say))

    async def _decide(self, attempt: LoginAttempt) -> None:
        assert self.session is not None
        self.phase = Phase.DECISION
        outcome = await self._gate.login(attempt, self.session.host_name or "")
        self.phase = Phase.CLIENT
        if isinstance(outcome, Refused):
            self.last = self.overdue
            await self.push(codes.submission(outcome.reason, self._port.say)[:-2])
            return
        try:
            await self.push(b"235 2.7.0 Authentication successful")
        except HangUp:
            outcome.abort()
            raise
        self._handover = Handover(*self.release(), outcome)


@lru_cache(maxsize=8)
def _ehlo(hostname: str, keywords: tuple[bytes, ...], ways: bytes) -> bytes:
    return b"".join(b"250-%b\r\n" % line for line in (hostname.encode(), *keywords)) + b"250 " + ways


def _rejection(fault: sasl.Fault, say: codes.Say) -> bytes:
    match fault:
        case sasl.Fault.CANCELLED:
            return b"501 5.5.2 Authentication cancelled"
        case sasl.Fault.BASE64:
            return b"501 5.5.2 That is not base64"
        case sasl.Fault.TOO_LONG:
            return b"500 5.5.6 Line too long"
        case sasl.Fault.MESSAGE:
            return codes.submission(Reason.BAD_NAME, say)[:-2]
