"""The submission service of the demo: aiosmtpd, which delivers into the demo's own mailboxes and nowhere else.

STARTTLS, then AUTH PLAIN of the master identity speaking for a user (RFC 4954, RFC 4616 §2). No XCLIENT.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Protocol
from weakref import WeakSet

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, Session

from mailguard.demo.door import HOST


class Mailboxes(Protocol):
    """What the sink asks of the mail store."""

    async def speaks_for(self, authzid: str, authcid: str, password: str) -> bool:
        """May whoever logs in so act for the user `authzid`?"""

    def holds(self, address: str) -> bool:
        """Is this the address of a mailbox?"""

    async def deliver(self, address: str, letter: bytes) -> None:
        """Put one letter into an inbox."""


class Sink:
    """A submission listener on loopback, on a port of the system's choosing."""

    def __init__(self, mailboxes: Mailboxes, context: ssl.SSLContext) -> None:
        self._conversation = _Conversation(mailboxes)
        self._context = context
        self._connected: WeakSet[SMTP] = WeakSet()

    async def start(self) -> None:
        """Listen."""
        self._listener = await asyncio.get_running_loop().create_server(self._accept, HOST, 0)
        self.port: int = self._listener.sockets[0].getsockname()[1]

    def _accept(self) -> SMTP:
        smtp = SMTP(
            self._conversation,
            hostname="localhost",  # else aiosmtpd asks the resolver, once a connection
            ident="demo mail store",
            enable_SMTPUTF8=True,
            tls_context=self._context,
            require_starttls=True,
            auth_required=True,
            auth_exclude_mechanism=("LOGIN",),
            loop=asyncio.get_running_loop(),
        )
        self._connected.add(smtp)
        return smtp

    async def stop(self) -> None:
        """Stop listening and drop whoever is connected."""
        self._listener.close()
        for smtp in self._connected:
            if isinstance(smtp.transport, asyncio.WriteTransport):
                smtp.transport.abort()
        await asyncio.sleep(0)  # connection_lost runs in the loop's next turn


class _Conversation:
    """aiosmtpd's handler: its methods are found by name."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    async def auth_PLAIN(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802 - found by this name
        """In place of aiosmtpd's own, which drops the authzid without a word."""
        try:
            response = base64.b64decode(args[1], validate=True) if len(args) == 2 else await server.challenge_auth("")
            if response is MISSING:
                return AuthResult(success=False)
            authzid, authcid, password = response.decode().split("\0")
        except (binascii.Error, ValueError):
            return AuthResult(success=False, message="501 5.5.2 Cannot read this response")
        if not await self._mailboxes.speaks_for(authzid, authcid, password):
            return AuthResult(success=False, handled=False)
        return AuthResult(success=True, auth_data=authzid)

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """A user sends under the own address alone."""
        if address.lower() != session.auth_data:
            return f"553 5.7.1 You are logged in as {session.auth_data}: send under that address"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Nothing leaves this process."""
        if not self._mailboxes.holds(address):
            return f"550 5.1.1 The demo delivers only to {session.auth_data}"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Deliver, with the trace lines of RFC 5321 §4.4 in front."""
        assert isinstance(envelope.content, bytes)  # decode_data is off
        trace = (
            f"Return-Path: <{envelope.mail_from}>\r\n"
            f"Received: from {session.host_name} by localhost (demo mail store) with ESMTPSA;\r\n"
            f"\t{format_datetime(datetime.now(UTC))}\r\n"
        ).encode()
        for address in dict.fromkeys(envelope.rcpt_tos):
            await self._mailboxes.deliver(address, trace + envelope.content)
        return "250 2.0.0 Delivered"
