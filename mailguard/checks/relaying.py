"""Would the submission store take mail from us without a login?

In the naive set-up store and guard share a host, or the guard's network stands in Postfix's `mynetworks`. Then the
login that mailguard demands protects nothing once the relay stands: the store would let any sender through.
"""

from __future__ import annotations

from mailguard.backends.dial import TIMEOUT, Way, reach_submission
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.target import Target
from mailguard.net.stream import Stream
from mailguard.protocols.client.smtp_replies import SmtpReplies, SmtpReply
from mailguard.protocols.events import ProtocolViolation

ELSEWHERE = b"probe@mailguard-probe.invalid"
"""A recipient at a domain that is nobody's (RFC 2606 §2). No message is ever sent to it."""


async def takes_strangers_mail(target: Target) -> bool:
    """Ask with MAIL and RCPT, then leave without DATA. Raises BackendFailure."""
    async with Way(target, TIMEOUT) as way:
        talk = await reach_submission(way)
        await talk.offer()
        taken = await _asked(talk.stream, b"MAIL FROM:<>", b"RCPT TO:<%s>" % ELSEWHERE)
        await talk.leave()
    return taken


async def _asked(stream: Stream, *commands: bytes) -> bool:
    """Was every command taken with a 2xx?"""
    replies = SmtpReplies()
    for command in commands:
        stream.write(command + b"\r\n")
        if (await _reply(stream, replies)).code // 100 != 2:
            return False
    return True


async def _reply(stream: Stream, replies: SmtpReplies) -> SmtpReply:
    try:
        while (reply := replies.take()) is None:
            if not (data := await stream.read()):
                raise BackendFailure(FailureKind.TEMPORARY, "the store dropped the connection")
            replies.feed(data)
    except ProtocolViolation as violation:
        raise BackendFailure(FailureKind.PROTOCOL, f"the store sent {violation}") from None
    return reply
