"""What a store offers, asked without a login: for what clients are told before theirs, and for `check`."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from mailguard.auth.attempt import MailProtocol
from mailguard.backends import ehlo, imap_login, submission
from mailguard.backends.dial import TIMEOUT, Way, reach_imap, reach_submission
from mailguard.backends.target import Target
from mailguard.net.resumption import Connection


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a store showed that its certificate was accepted by. `not_after` in UTC seconds."""

    version: str
    names: tuple[str, ...]
    not_after: float


@dataclass(frozen=True, slots=True)
class Probe:
    """One store's answer.

    `capabilities`: IMAP, every name of the list before login; submission, the EHLO lines that clients may be told, with
    their parameters: as they are, they can be handed to open_leg as `announced`. `dangers` are capabilities for which
    every login is refused. `seconds` is how long the whole took, TLS included. `greeting`: its words, escaped and cut.
    """

    protocol: MailProtocol
    capabilities: frozenset[str]
    mechanisms: frozenset[str]
    dangers: frozenset[str]
    seconds: float
    greeting: str
    tls: TlsFacts | None = None  # None: the way there is without

    @property
    def size(self) -> int | None:
        """The largest message that the store takes, in octets; None where it names no limit."""
        return ehlo.size(self.capabilities)


async def probe(target: Target, *, timeout: float = TIMEOUT) -> Probe:
    """Ask one store. Raises BackendFailure."""
    started = asyncio.get_running_loop().time()
    async with Way(target, timeout) as way:
        match target.protocol:
            case MailProtocol.IMAP:
                wire = await reach_imap(way)
                greeting = wire.quote((await wire.greeting()).text)
                capabilities = await imap_login.secure(wire, target)
                tls = _facts(wire.transport.get_extra_info("ssl_object"))
                wire.leave()
                mechanisms = frozenset(name.removeprefix("AUTH=") for name in capabilities if name.startswith("AUTH="))
                dangers = capabilities & imap_login.DANGERS
            case MailProtocol.SUBMISSION:
                talk = await reach_submission(way)
                greeting = await talk.greeting()
                offer = await talk.offer()
                tls = _facts(talk.stream.ssl_object)
                await talk.leave()
                capabilities = ehlo.announceable(offer.keywords)
                mechanisms = frozenset(offer.keywords.get("AUTH", "").upper().split())
                dangers = submission.dangers(offer)
    took = asyncio.get_running_loop().time() - started
    return Probe(target.protocol, capabilities, mechanisms, dangers, took, greeting, tls)


def _facts(connection: ssl.SSLObject | None) -> TlsFacts | None:
    if not isinstance(connection, Connection) or not (shown := connection.certificate()):
        return None
    names = tuple(str(each[1]) for each in shown.get("subjectAltName", ()))
    return TlsFacts(connection.version() or "TLS", names, ssl.cert_time_to_seconds(str(shown["notAfter"])))
