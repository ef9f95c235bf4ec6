"""Fronts whose dialogue is ours: IMAP now, POP3 and ManageSieve later."""

from __future__ import annotations

import asyncio
import logging
import ssl
from functools import partial
from typing import TYPE_CHECKING

from mailguard.auth.attempt import LoginAttempt, MailProtocol, Refused
from mailguard.auth.ports import temporary
from mailguard.net.stream import PlaintextBehindTls
from mailguard.protocols.events import Close, Event, Reply, StartTls
from mailguard.protocols.server.imap import ImapDialogue
from mailguard.proxy.house import PRE_LOGIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailguard.backends.leg import Leg
    from mailguard.net.listener import Afterwards, Ticket
    from mailguard.net.stream import Stream
    from mailguard.proxy.house import House
    from mailguard.proxy.session import Session

log = logging.getLogger("mailguard.front")

CHUNK = 4096  # octets a dialogue is fed at a time: what a client sends behind its login stays in the stream


async def serve_imap(
    house: House, stream: Stream, session: Session, ticket: Ticket, *, starttls: bool
) -> Afterwards | None:
    """Speak IMAP with one client until it is in, or gone. Returns the relay, to be run when this is forgotten."""
    mirror = house.mirrors[MailProtocol.IMAP]
    dialogue = ImapDialogue(
        tls=stream.tls,
        starttls=starttls,
        store_capabilities=session.offered or frozenset(),
        say=house.rules.say,
    )
    if house.closing or mirror.down:
        stream.write(dialogue.busy())
        await stream.close()
        return None
    front = _ImapFront(house, stream, session, dialogue)
    try:
        async with asyncio.timeout(PRE_LOGIN_SECONDS):
            leg = await front.until_login()
    except TimeoutError:
        stream.write(b"* BYE Too slow to sign in\r\n")
        leg = None
    except (ConnectionError, ssl.SSLError, PlaintextBehindTls):
        leg = None
    except BaseException:  # shed for a newcomer, the end of a drain, or a fault of ours: no socket stays behind
        session.done("cut-off")
        stream.abort()
        raise
    if leg is None:
        session.done("client-left")
        await stream.close()
        return None
    ticket.leave()
    transport, unread = stream.detach()
    return partial(session.relay, transport, dialogue.leftover() + unread, leg)


class _ImapFront:
    def __init__(self, house: House, stream: Stream, session: Session, dialogue: ImapDialogue) -> None:
        self._house, self._stream, self._session, self._dialogue = house, stream, session, dialogue
        self._warned = False

    async def until_login(self) -> Leg | None:
        """Drive the dialogue: the leg of the login that passed, or None when the connection is to be closed."""
        self._stream.write(self._dialogue.greeting())
        while data := await self._stream.read(CHUNK):
            events = self._dialogue.receive(data)
            self._warn_if_exposed()
            while (last := await self._follow(events)) is not None:
                if isinstance(last, Close):
                    log.debug("closed", extra={"session": self._session.id, "why": last.why, "abuse": last.abuse})
                    return None
                self._session.client = self._dialogue.client
                outcome = await self._session.login(last)
                if not isinstance(outcome, Refused):
                    self._stream.write(self._dialogue.admitted(outcome.reply, outcome.untagged))
                    return outcome
                # Clients pop the alert up, and it says that the sign-in failed: not where only the store is in trouble.
                alert = not temporary(outcome.reason) and self._session.alert_due()
                events = self._dialogue.refused(outcome.reason, alert=alert)
            await self._stream.drain()
        return None

    def _warn_if_exposed(self) -> None:
        if self._dialogue.exposed and not self._warned:
            self._warned = True
            log.warning(
                "a password came in clear text; whoever owns it should change it and mend the client's settings",
                extra={"session": self._session.id, "address": str(self._session.origin.address)},
            )

    async def _follow(self, events: Sequence[Event]) -> LoginAttempt | Close | None:
        """Do what the dialogue says; what it ended on, if that is for the caller to do."""
        for event in events:
            match event:
                case Reply(data):
                    self._stream.write(data)
                case StartTls():
                    await self._stream.start_tls(self._house.rules.tls[MailProtocol.IMAP], server_side=True)
                    self._dialogue.tls_started()
                case Close() | LoginAttempt():
                    return event
        return None
