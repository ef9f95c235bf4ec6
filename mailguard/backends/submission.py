"""The login to a submission store: the client dialogue of protocols, driven over a stream."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mailguard.backends.ehlo import missing
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.login import Credential
from mailguard.backends.target import Target
from mailguard.config import TlsMode
from mailguard.net.stream import Stream
from mailguard.protocols.client.submission import (
    ClientEvent,
    Failed,
    Fault,
    LoggedIn,
    Offer,
    SubmissionDialogue,
)
from mailguard.protocols.events import Reply, StartTls

_XCLIENT, _STARTTLS = "XCLIENT", "STARTTLS"
_HELO = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,255}")
_KINDS: Mapping[Fault, FailureKind] = {
    Fault.GREETING: FailureKind.UNREACHABLE,
    Fault.NO_TLS: FailureKind.TLS,
    Fault.VIOLATION: FailureKind.PROTOCOL,
    Fault.TEMPORARY: FailureKind.TEMPORARY,
    Fault.REFUSED: FailureKind.REFUSED,
}


def dangers(offer: Offer) -> frozenset[str]:
    """What a user could become another by, through the relay.

    XCLIENT says who they are. STARTTLS, where it is still to be had at the login, makes the store forget who they were
    (RFC 3207 §4.2): Postfix takes a new AUTH behind it, and that by a bare password.
    """
    return (offer.seen & {_XCLIENT}) | (offer.keywords.keys() & {_STARTTLS})


@dataclass(frozen=True, slots=True)
class SubmissionLeg:
    """A logged-in connection to a submission store."""

    reply: bytes
    capabilities: frozenset[str]
    stream: Stream
    behind: bytes
    untagged: tuple[bytes, ...] = ()

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """The transport, reading paused, and the bytes that came behind the 235."""
        transport, leftover = self.stream.detach()
        return transport, self.behind + leftover

    def abort(self) -> None:
        """Cut the connection now."""
        self.stream.abort()


class SubmissionTalk:
    """One connection to a submission store, up to the end of its login; `stream` is for whoever wants no more than the
    offer."""

    def __init__(self, target: Target, stream: Stream, helo: str = "") -> None:
        # The client's own EHLO argument keeps `Received:` true; one that could not stand in a header is not passed on.
        argument = helo if _HELO.fullmatch(helo) else target.hostname
        self._target = target
        self.stream = stream
        self._dialogue = SubmissionDialogue(argument, starttls=target.tls is TlsMode.STARTTLS)
        self._due: list[ClientEvent] = []

    async def greeting(self) -> str:
        """The words of the store's greeting, once it has come. Raises BackendFailure, OSError."""
        while (said := self._dialogue.greeting) is None:
            self._due += await self._heard()
            self._raise_failure()
        return said

    async def offer(self) -> Offer:
        """The EHLO list that holds for the login. Raises BackendFailure, ssl.SSLError, OSError."""
        event = await self._until_result()
        assert isinstance(event, Offer)
        return event

    async def log_in(self, credential: Credential, announced: frozenset[str]) -> SubmissionLeg:
        """Log in on a greeted connection. Raises BackendFailure, ssl.SSLError, OSError.

        `announced` are the EHLO lines that the client has been told before.
        """
        offer = await self.offer()
        if found := dangers(offer):
            raise BackendFailure(FailureKind.UNSAFE, f"the store offers us {', '.join(sorted(found))}; take it away")
        if lost := missing(announced, offer.keywords):
            # The client believes in it already; it would break in the middle of a message.
            raise BackendFailure(FailureKind.TEMPORARY, f"the store no longer offers {', '.join(sorted(lost))}")
        self._due += self._dialogue.log_in(credential.plain())
        event = await self._until_result()
        assert isinstance(event, LoggedIn)
        return SubmissionLeg(event.reply, frozenset(offer.keywords), self.stream, self._dialogue.leftover())

    def abort(self) -> None:
        """Cut the connection now."""
        self.stream.abort()

    async def leave(self) -> None:
        """Say goodbye after an offer and close."""
        self.stream.write(b"QUIT\r\n")
        await self.stream.close()

    async def _until_result(self) -> Offer | LoggedIn:
        while True:
            while self._due:
                match self._due.pop(0):
                    case Reply(data):
                        self.stream.write(data)
                        await self.stream.drain()
                    case StartTls():
                        await self._start_tls()
                    case Failed() as failed:
                        raise self._failure(failed)
                    case Offer() | LoggedIn() as result:
                        return result
            self._due += await self._heard()

    async def _start_tls(self) -> None:
        assert self._target.context is not None
        await self.stream.start_tls(self._target.context, server_side=False, server_hostname=self._target.host)
        self._due += self._dialogue.tls_started()

    async def _heard(self) -> list[ClientEvent]:
        data = await self.stream.read()
        if not data:
            kind = FailureKind.TEMPORARY if self._dialogue.greeting is not None else FailureKind.UNREACHABLE
            raise BackendFailure(kind, "the store dropped the connection")
        return self._dialogue.receive(data)

    def _raise_failure(self) -> None:
        for event in self._due:
            if isinstance(event, Failed):
                raise self._failure(event)

    def _failure(self, failed: Failed) -> BackendFailure:
        return BackendFailure(_KINDS[failed.fault], failed.text)
