"""Submission before login, client side: from the store's greeting to its 235. Does no I/O."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto, unique
from functools import lru_cache
from types import MappingProxyType

from mailguard.protocols.client.foreign import foreign
from mailguard.protocols.client.smtp_replies import SmtpReplies, SmtpReply
from mailguard.protocols.events import ProtocolViolation, Reply, StartTls
from mailguard.secret import Secret

_COMMAND = 512  # octets with CRLF (RFC 5321 §4.5.3.1.4): what every server reads; longer responses go behind 334
_KEYWORD = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =](.*))?")


@unique
class Fault(Enum):
    """Why the store cannot be logged in to."""

    GREETING = auto()  # turned away, or no mail server at all
    NO_TLS = auto()  # STARTTLS not offered, refused, or followed by clear text
    VIOLATION = auto()  # what no sound server says
    TEMPORARY = auto()
    REFUSED = auto()  # the credential itself


@dataclass(frozen=True, slots=True)
class Offer:
    """The store's EHLO list, over TLS where TLS was asked for. The dialogue waits for log_in()."""

    keywords: Mapping[str, str]  # upper case → its parameters
    seen: frozenset[str]  # keywords of every EHLO on this connection, before TLS too


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The store's whole 235; what came behind it is in leftover()."""

    reply: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The dialogue is over. `text` is for operators and holds no part of the credential."""

    fault: Fault
    text: str


ClientEvent = Reply | StartTls | Offer | LoggedIn | Failed


@unique
class _Phase(Enum):
    GREETING = auto()
    EHLO = auto()
    STARTTLS = auto()
    PARKED = auto()  # the driver's turn: TLS, or the decision to log in
    AUTH = auto()  # AUTH PLAIN alone was sent, 334 is due
    RESPONSE = auto()  # the credential was sent
    OVER = auto()


class SubmissionDialogue:
    """Asks a store to let one user submit mail (RFC 5321 §4.1.1.1; STARTTLS, RFC 3207; AUTH PLAIN, RFC 4954, RFC 4616).

    One command at a time: Postfix ends a client that pipelines here. A store that speaks out of turn is given up,
    for that is what injected answers look like.
    """

    def __init__(self, helo: str, *, starttls: bool) -> None:
        self._helo = helo.encode("ascii")
        self._starttls = starttls
        self._replies = SmtpReplies()
        self._phase = _Phase.GREETING
        self._greeting: str | None = None
        self._keywords: Mapping[str, str] = {}
        self._seen: frozenset[str] = frozenset()
        self._response = b""

    def receive(self, data: bytes) -> list[ClientEvent]:
        """Take what the store sent; give what is to be done, in order."""
        self._replies.feed(data)
        if self._phase is _Phase.OVER:
            return []
        if self._phase is _Phase.PARKED:
            return [self._fail(Fault.VIOLATION, "the store spoke out of turn")]
        try:
            reply = self._replies.take()
        except ProtocolViolation as violation:
            greeting = self._phase is _Phase.GREETING
            return [self._fail(Fault.GREETING if greeting else Fault.VIOLATION, f"the store sent {violation}")]
        if reply is None:
            return []
        events = self._answer(reply)
        match events:
            case [LoggedIn() | Failed()]:
                return events
            case [StartTls()] if self._replies.leftover():
                return [self._fail(Fault.NO_TLS, "the store sent clear text behind its answer to STARTTLS")]
            case _ if self._replies.leftover():
                return [self._fail(Fault.VIOLATION, "the store sent more than the answer it was asked for")]
            case _:
                return events

    def tls_started(self) -> list[ClientEvent]:
        """TLS is up: everything learnt in clear is forgotten but the dangers."""
        self._starttls = False
        return self._ehlo()

    def log_in(self, message: Secret) -> list[ClientEvent]:
        """Offer the credential, a PLAIN message, after an Offer."""
        if "PLAIN" not in self._keywords.get("AUTH", "").upper().split():
            return [self._fail(Fault.VIOLATION, "the store does not offer AUTH PLAIN")]
        self._response = base64.b64encode(message.reveal())
        command = b"AUTH PLAIN %s\r\n" % self._response
        if len(command) <= _COMMAND:
            self._phase = _Phase.RESPONSE
            return [Reply(command)]
        self._phase = _Phase.AUTH
        return [Reply(b"AUTH PLAIN\r\n")]

    @property
    def greeting(self) -> str | None:
        """The words of the store's greeting, fit to be shown; None unless it was a sound one."""
        return self._greeting

    def leftover(self) -> bytes:
        """What the store sent behind its 235: the relay's first bytes."""
        return self._replies.leftover()

    def _answer(self, reply: SmtpReply) -> list[ClientEvent]:
        match self._phase, reply.code:
            case _Phase.GREETING, 220:
                self._greeting = self._quote(reply)
                return self._ehlo()
            case _Phase.GREETING, _:
                return [self._fail(Fault.GREETING, f"the store turned us away: {self._quote(reply)}")]
            case _Phase.EHLO, 250:
                return self._offered(reply)
            case _Phase.STARTTLS, 220:
                self._phase = _Phase.PARKED
                return [StartTls()]
            case _Phase.STARTTLS, _:
                return [self._fail(Fault.NO_TLS, f"STARTTLS refused: {self._quote(reply)}")]
            case _Phase.AUTH, 334:
                self._phase = _Phase.RESPONSE
                return [Reply(self._response + b"\r\n")]
            case _Phase.RESPONSE, 235:
                self._phase = _Phase.OVER
                return [LoggedIn(reply.raw)]
            case _Phase.RESPONSE, 535:
                return [self._fail(Fault.REFUSED, f"login refused: {self._quote(reply)}")]
            case _:
                fault = Fault.TEMPORARY if 400 <= reply.code <= 499 else Fault.VIOLATION
                asked = "EHLO" if self._phase is _Phase.EHLO else "AUTH"
                return [self._fail(fault, f"unexpected answer to {asked}: {self._quote(reply)}")]

    def _ehlo(self) -> list[ClientEvent]:
        self._phase = _Phase.EHLO
        return [Reply(b"EHLO %s\r\n" % self._helo)]

    def _offered(self, reply: SmtpReply) -> list[ClientEvent]:
        self._keywords = _listed(reply.lines)
        self._seen |= self._keywords.keys()
        if not self._starttls:
            self._phase = _Phase.PARKED
            return [Offer(self._keywords, self._seen)]
        if "STARTTLS" not in self._keywords:
            return [self._fail(Fault.NO_TLS, "the store does not offer STARTTLS")]
        self._phase = _Phase.STARTTLS
        return [Reply(b"STARTTLS\r\n")]

    def _fail(self, fault: Fault, text: str) -> Failed:
        self._phase = _Phase.OVER
        return Failed(fault, text)

    def _quote(self, reply: SmtpReply) -> str:
        secrets = (self._response, base64.b64decode(self._response).rpartition(b"\0")[2]) if self._response else ()
        return foreign(reply.text, secrets)


@lru_cache(maxsize=8)  # a store says the same to all
def _listed(lines: tuple[bytes, ...]) -> Mapping[str, str]:
    """The keywords of an EHLO reply with their parameters."""
    keywords: dict[str, str] = {}
    for line in lines[1:]:
        if (match := _KEYWORD.fullmatch(line)) is not None:
            keyword = match[1].decode("ascii").upper()
            parameters = (match[2] or b"").decode("ascii", "replace")
            # Both `AUTH PLAIN` and the `AUTH=PLAIN` of old clients may be listed: they add up.
            keywords[keyword] = f"{keywords.get(keyword, '')} {parameters}".strip()
    return MappingProxyType(keywords)
