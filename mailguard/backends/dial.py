"""Dial the mail store and log in: from a target and a credential to a leg, or to the reason why there is none."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Self

from mailguard.auth.attempt import MailProtocol
from mailguard.backends import imap_login
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.imap import ImapWire
from mailguard.backends.leg import Leg
from mailguard.backends.login import Credential
from mailguard.backends.submission import SubmissionTalk
from mailguard.backends.target import Caller, Target
from mailguard.config import TlsMode
from mailguard.net.addresses import connected
from mailguard.net.stream import connect, keep_alive

# Seconds for the whole of it: beyond the slowest NO, which Dovecot gives after 15 s of penalty and 2 s of delay. An
# answer not waited for is trouble, and trouble is not counted as a guess.
TIMEOUT = 20.0
_SHUTDOWN = 5.0  # seconds that a store may take over its TLS goodbye


async def open_leg(
    target: Target,
    credential: Credential,
    caller: Caller,
    *,
    announced: frozenset[str] = frozenset(),
    timeout: float = TIMEOUT,
) -> Leg:
    """Dial and log in. Raises BackendFailure; whatever ends it without a leg closes the connection.

    REFUSED means that the store said no to the credential. `announced`: the EHLO lines that the client was told.
    """
    async with Way(target, timeout) as way:
        match target.protocol:
            case MailProtocol.IMAP:
                wire = await reach_imap(way)
                leg: Leg = await imap_login.log_in(wire, target, credential, caller)
                _keep_session(target, wire.transport.get_extra_info("ssl_object"))
            case MailProtocol.SUBMISSION:
                talk = await reach_submission(way, caller.helo)
                leg = await talk.log_in(credential, announced)
                _keep_session(target, talk.stream.ssl_object)
    return leg


class Way:
    """One way to a store, within so many seconds. Whatever goes wrong on it becomes a BackendFailure that names the
    store, and the connection is cut.

    A deadline missed or a connection broken is UNREACHABLE up to the greeting and TEMPORARY behind it.
    """

    __slots__ = ("_abort", "_deadline", "_trouble", "target")

    def __init__(self, target: Target, seconds: float) -> None:
        self.target = target
        self._deadline = asyncio.timeout(seconds)
        self._trouble = FailureKind.UNREACHABLE
        self._abort: Callable[[], None] | None = None

    def begun(self, abort: Callable[[], None]) -> None:
        """There is something to cut."""
        self._abort = abort

    def greeted(self) -> None:
        """The store has said hello."""
        self._trouble = FailureKind.TEMPORARY

    async def __aenter__(self) -> Self:
        await self._deadline.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._abort is not None:
            self._abort()
        try:
            await self._deadline.__aexit__(kind, error, trace)
        except TimeoutError as late:
            error = late
        if isinstance(error, BackendFailure | OSError):
            raise _failure(error, self.target, self._trouble) from None


async def reach_imap(way: Way) -> ImapWire:
    """Connect to an IMAP store and hear its greeting. Raises BackendFailure, ssl.SSLError, OSError: call it on its way
    alone."""
    target, loop = way.target, asyncio.get_running_loop()
    wire = ImapWire(loop)
    way.begun(wire.abort)
    context, name = _implicit(target)
    patience = _SHUTDOWN if context is not None else None
    if (path := target.socket_path) is not None:
        await loop.create_unix_connection(
            lambda: wire, path, ssl=context, server_hostname=name, ssl_shutdown_timeout=patience
        )
    else:
        await connected(
            lambda: wire,
            target.host,
            target.port,
            ssl=context,
            server_hostname=name,
            local_addr=(target.bind, 0) if target.bind else None,
            ssl_shutdown_timeout=patience,
        )
    await wire.greeting()
    way.greeted()
    keep_alive(wire.transport.get_extra_info("socket"))
    return wire


async def reach_submission(way: Way, helo: str = "") -> SubmissionTalk:
    """The same at a submission store."""
    target = way.target
    context, name = _implicit(target)
    stream = await connect(
        target.host, target.port, context=context, server_hostname=name, local_address=target.bind, timeout=None
    )
    talk = SubmissionTalk(target, stream, helo)
    way.begun(talk.abort)
    await talk.greeting()
    way.greeted()
    return talk


def _keep_session(target: Target, connection: ssl.SSLObject | None) -> None:
    """For the next leg. Of a store that took a login of ours: it is the one that its certificate says."""
    if target.context is not None and connection is not None:
        target.context.keep(connection)


def _failure(error: BackendFailure | OSError, target: Target, trouble: FailureKind) -> BackendFailure:
    match error:
        case BackendFailure():
            return BackendFailure(error.kind, f"{target}: {error.text}")
        case ssl.SSLCertVerificationError():
            return BackendFailure(FailureKind.TLS, f"{target}: its certificate is refused: {error.verify_message}")
        case ssl.SSLError():
            return BackendFailure(FailureKind.TLS, f"{target}: TLS failed: {error.reason or error}")
        case TimeoutError():
            return BackendFailure(trouble, f"{target}: no answer in time")
        case OSError():
            return BackendFailure(trouble, f"{target}: {error.strerror or error}")


def _implicit(target: Target) -> tuple[ssl.SSLContext | None, str | None]:
    return (target.context, target.host) if target.tls is TlsMode.IMPLICIT else (None, None)
