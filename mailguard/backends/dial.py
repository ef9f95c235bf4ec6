"""Dial the mail store and log in: from a target and a credential to a leg, or to the reason why there is none."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable

from mailguard.auth.attempt import MailProtocol
from mailguard.backends import imap_login
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.imap import ImapWire
from mailguard.backends.leg import Leg
from mailguard.backends.login import Credential
from mailguard.backends.submission import SubmissionTalk
from mailguard.backends.target import Caller, Target
from mailguard.config import TlsMode
from mailguard.net.stream import Stream, connect, keep_alive

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
    deadline = asyncio.get_running_loop().time() + timeout
    match target.protocol:
        case MailProtocol.IMAP:
            wire = await reach_imap(target, deadline)
            async with explained(target, deadline, wire.abort):
                leg: Leg = await imap_login.log_in(wire, target, credential, caller)
                _keep_session(target, wire.transport.get_extra_info("ssl_object"))
        case MailProtocol.SUBMISSION:
            talk = await reach_submission(target, deadline, caller.helo)
            async with explained(target, deadline, talk.abort):
                leg = await talk.log_in(credential, announced)
                _keep_session(target, talk.stream.ssl_object)
    return leg


async def reach_imap(target: Target, deadline: float) -> ImapWire:
    """Connect to an IMAP store and hear its greeting, by `deadline` on the loop's clock. Raises BackendFailure."""
    loop = asyncio.get_running_loop()
    wire = ImapWire(loop)
    context, name = _implicit(target)
    patience = _SHUTDOWN if context is not None else None
    async with explained(target, deadline, wire.abort, FailureKind.UNREACHABLE):
        if (path := target.socket_path) is not None:
            await loop.create_unix_connection(
                lambda: wire, path, ssl=context, server_hostname=name, ssl_shutdown_timeout=patience
            )
        else:
            await loop.create_connection(
                lambda: wire,
                target.host,
                target.port,
                ssl=context,
                server_hostname=name,
                local_addr=(target.bind, 0) if target.bind else None,
                ssl_shutdown_timeout=patience,
            )
        await wire.greeting()
        keep_alive(wire.transport.get_extra_info("socket"))
    return wire


async def reach_submission(target: Target, deadline: float, helo: str = "") -> SubmissionTalk:
    """Connect to a submission store and hear its greeting, by `deadline`. Raises BackendFailure."""
    left = deadline - asyncio.get_running_loop().time()
    context, name = _implicit(target)
    stream: Stream | None = None

    def cut() -> None:
        if stream is not None:
            stream.abort()

    async with explained(target, deadline, cut, FailureKind.UNREACHABLE):
        stream = await connect(
            target.host, target.port, context=context, server_hostname=name, local_address=target.bind, timeout=left
        )
        talk = SubmissionTalk(target, stream, helo)
        await talk.greeting()
    return talk


@contextlib.asynccontextmanager
async def explained(
    target: Target, deadline: float, abort: Callable[[], None], trouble: FailureKind = FailureKind.TEMPORARY
) -> AsyncIterator[None]:
    """Turn whatever goes wrong within into a BackendFailure that names the store, and cut the connection.

    A deadline missed or a connection broken is of the kind `trouble`.
    """
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except (BackendFailure, OSError) as error:
        abort()
        raise _failure(error, target, trouble) from None
    except BaseException:
        abort()
        raise


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
