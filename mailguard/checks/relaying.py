"""Would the submission store take mail from us without a login?

In the naive set-up store and guard share a host, or the guard's network stands in Postfix's `mynetworks`. Then the
login that mailguard demands protects nothing once the relay stands: the store would let any sender through.
"""

from __future__ import annotations

import asyncio

from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.target import Target
from mailguard.config import TlsMode
from mailguard.net.stream import Stream, connect
from mailguard.protocols.client.smtp_replies import SmtpReplies, SmtpReply
from mailguard.protocols.client.submission import Failed, Offer, SubmissionDialogue
from mailguard.protocols.events import ProtocolViolation, Reply, StartTls

ELSEWHERE = b"probe@mailguard-probe.invalid"
"""A recipient at a domain that is nobody's (RFC 2606 §2). No message is ever sent to it."""


async def takes_strangers_mail(target: Target, *, timeout: float = 15.0) -> bool:
    """Ask with MAIL and RCPT, then leave without DATA. Raises BackendFailure, OSError."""
    context = target.context
    stream = await connect(
        target.host,
        target.port,
        context=context if target.tls is TlsMode.IMPLICIT else None,
        server_hostname=target.host if target.tls is TlsMode.IMPLICIT else None,
        local_address=target.bind,
        timeout=timeout,
    )
    try:
        async with asyncio.timeout(timeout):
            await _greet(stream, target)
            taken = await _asked(stream, b"MAIL FROM:<>", b"RCPT TO:<%s>" % ELSEWHERE)
            stream.write(b"QUIT\r\n")
            await stream.drain()
            return taken
    except ProtocolViolation as violation:
        raise BackendFailure(FailureKind.PROTOCOL, f"the store sent {violation}") from None
    finally:
        stream.abort()


async def _greet(stream: Stream, target: Target) -> None:
    dialogue = SubmissionDialogue(target.hostname, starttls=target.tls is TlsMode.STARTTLS)
    while True:
        for event in dialogue.receive(await _read(stream)):
            match event:
                case Reply(data):
                    stream.write(data)
                case StartTls():
                    assert target.context is not None
                    await stream.start_tls(target.context, server_side=False, server_hostname=target.host)
                    for first in dialogue.tls_started():
                        assert isinstance(first, Reply)
                        stream.write(first.data)
                case Offer():
                    return
                case Failed(_, text):
                    raise BackendFailure(FailureKind.PROTOCOL, text)


async def _asked(stream: Stream, *commands: bytes) -> bool:
    """Was every command taken with a 2xx?"""
    replies = SmtpReplies()
    for command in commands:
        stream.write(command + b"\r\n")
        if (await _reply(stream, replies)).code // 100 != 2:
            return False
    return True


async def _reply(stream: Stream, replies: SmtpReplies) -> SmtpReply:
    while (reply := replies.take()) is None:
        replies.feed(await _read(stream))
    return reply


async def _read(stream: Stream) -> bytes:
    data = await stream.read()
    if not data:
        raise BackendFailure(FailureKind.TEMPORARY, "the store dropped the connection")
    return data
