"""IMAP before login, as clients hear it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, unique
from typing import assert_never

from mailguard.auth.attempt import Client, LoginAttempt, Reason
from mailguard.protocols import codes, sasl
from mailguard.protocols.codes import Say
from mailguard.protocols.events import Close, Event, ProtocolViolation, Reply, StartTls
from mailguard.protocols.lines import BareNewline, Lines, looks_like_http
from mailguard.protocols.server import imap_grammar as grammar
from mailguard.protocols.server.imap_capability import announced, handover
from mailguard.protocols.server.imap_grammar import Command, Kind, Literal, Word

INPUT_MAX = 65_536  # octets of one connection before login, what is pipelined behind the login included
LINE_MAX = 8192
AUTHENTICATE_LINE_MAX = grammar.TAG_MAX + 64 + sasl.RESPONSE_MAX
BAD_COMMANDS_MAX = 3
REFUSALS_MAX = 10


@dataclass(frozen=True, slots=True)
class _Line:
    """A line is next: of this command, or of a new one."""

    command: Command | None = None


@dataclass(frozen=True, slots=True)
class _Octets:
    """The octets of a literal are next."""

    command: Command
    size: int


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer to a SASL challenge is next."""

    exchange: sasl.Exchange


@unique
class _Parked(Enum):
    """Nothing is parsed: it is the driver's turn, or nobody's."""

    HANDSHAKE = "handshake"
    DECISION = "decision"
    OVER = "over"


class ImapDialogue:
    """One client's connection from the greeting to the login. Does no I/O.

    After a LoginAttempt or StartTls it is parked: bytes are kept unparsed until `refused` or `tls_started`; `admitted`
    ends it, and what it has not parsed is `leftover`. `client` is from an ID command and proves nothing;
    `exposed` says that a credential came in clear text, worth a warning to whoever owns it.
    (RFC 9051 §3.1, §6.1, §6.2; RFC 3501; RFC 4959; RFC 7888; RFC 2971; RFC 5161; RFC 8314 §3)
    """

    def __init__(self, *, tls: bool, starttls: bool, store_capabilities: frozenset[str], say: Say) -> None:
        self.client = Client()
        self.exposed = False
        self._tls = tls
        self._starttls = starttls
        self._store = store_capabilities
        self._say = say
        self._lines = Lines()
        self._state: _Line | _Octets | _Answer | _Parked = _Line()
        self._tag = b""  # of the login in progress
        self._asked = False  # for CAPABILITY
        self._received = 0
        self._bad_commands = 0
        self._refusals = 0

    def greeting(self) -> bytes:
        """What the server says first."""
        return b"* OK [%b] mailguard ready\r\n" % self._capabilities()

    def busy(self) -> bytes:
        """The greeting where no login can pass now: Thunderbird shows its text and keeps the password."""
        return b"* BYE %b\r\n" % codes.BUSY.encode()

    def receive(self, data: bytes) -> list[Event]:
        """What follows from bytes that were read."""
        if self._state is _Parked.OVER:
            return []
        if self._state is _Parked.HANDSHAKE:
            return self._over("bytes in clear behind STARTTLS", abuse=True)
        if not self._tls and not self._received and data.startswith(b"\x16"):
            return self._over("TLS on a clear-text port")  # a ClientHello: iOS while it probes, no attack
        room = INPUT_MAX - self._received
        self._received += len(data)
        self._lines.feed(data[:room])
        events = self._parse()
        if len(data) > room and not self._is_over():
            said = [event for event in events if isinstance(event, Reply)]  # but nothing is asked or started any more
            return [*said, *self._bye("Too much input before login")]
        return events

    def tls_started(self) -> None:
        """TLS runs: all that was learnt in clear is forgotten. (RFC 9051 §6.2.1)"""
        self._tls = True
        self._asked = False
        self.client = Client()
        self._state = _Line()

    def refused(self, reason: Reason, *, alert: bool) -> list[Event]:
        """Answer the login that was asked about, and go on with what came behind it."""
        shown = codes.imap_alert(self._say) if alert else b""
        events = self._refuse(shown + codes.imap(reason, self._tag, self._say))
        return [*events, *self._parse()]

    def admitted(self, reply: bytes, untagged: Sequence[bytes]) -> bytes:
        """What to send for a login that passed: the store's own words, see `handover`. The dialogue is over."""
        self._state = _Parked.OVER
        return handover(self._tag, reply, untagged, asked=self._asked)

    def leftover(self) -> bytes:
        """What came behind the login, unparsed, given up: the first bytes for the store."""
        return self._lines.leftover()

    def _parse(self) -> list[Event]:
        events: list[Event] = []
        try:
            while (step := self._next()) is not None:
                events += step
        except BareNewline as violation:
            events += [Reply(b"* BAD %b\r\n" % str(violation).encode()), *self._over(str(violation), abuse=True)]
        except ProtocolViolation as violation:
            events += self._bye(str(violation))
        return events

    def _next(self) -> list[Event] | None:
        """What follows from the next line or literal, None where it is incomplete or parsing must stop."""
        match self._state:
            case _Line(command):
                line = self._lines.line(self._line_max())
                return None if line is None else self._line(command, line)
            case _Octets(command, size):
                octets = self._lines.octets(size)
                if octets is None:
                    return None
                command.arguments.literal(octets)
                self._state = _Line(command)
                return []
            case _Answer(exchange):
                line = self._lines.line(sasl.RESPONSE_MAX)
                return None if line is None else self._step(exchange.answer(line))
            case _Parked():
                return None
            case _:
                assert_never(self._state)

    def _line_max(self) -> int:
        """A line may be longer where it can hold an initial response (RFC 4959)."""
        begin = self._lines.peek(grammar.TAG_MAX + 16)
        return AUTHENTICATE_LINE_MAX if grammar.begins_authenticate(begin) else LINE_MAX

    def _line(self, command: Command | None, line: bytes) -> list[Event]:
        self._state = _Line()
        tag, text = b"*", line
        try:
            if command is None:
                if looks_like_http(line):
                    return self._over("HTTP on a mail port", abuse=True)  # and reflect nothing (ALPACA)
                command, text = grammar.command(line)
            tag = command.tag
            literal = command.arguments.add(text)
            return self._execute(command) if literal is None else self._announced(command, literal)
        except ProtocolViolation as violation:
            if (literal := grammar.literal_at_end(line)) is not None and not literal.sync:
                return self._bye("Literal refused")  # its octets are on their way and are no commands
            return self._bad(tag, str(violation))

    def _announced(self, command: Command, literal: Literal) -> list[Event]:
        """A literal is on its way, or will be if we say so. (RFC 7888 §4)"""
        if command.verb == b"LOGIN" and not self._tls and literal.sync:
            return self._private(command.tag)  # before the password leaves the client
        if literal.too_large:
            raise ProtocolViolation("[TOOBIG] Literal too large")
        if not command.admits_literal:
            raise ProtocolViolation("Unexpected literal")
        self._state = _Octets(command, literal.size)
        return [Reply(b"+ OK\r\n")] if literal.sync else []

    def _execute(self, command: Command) -> list[Event]:
        tag = command.tag
        match command.verb, command.arguments.words:
            case b"CAPABILITY", []:
                self._asked = True
                return [Reply(b"* %b\r\n%b OK Capability completed\r\n" % (self._capabilities(), tag))]
            case b"NOOP", []:
                return [Reply(b"%b OK Nothing done\r\n" % tag)]
            case b"ID", words:
                self.client = grammar.client_of(words)
                return [Reply(b'* ID ("name" "mailguard")\r\n%b OK ID completed\r\n' % tag)]
            case b"ENABLE", [_, *_]:
                return [Reply(b"* ENABLED\r\n%b OK Nothing to enable before login\r\n" % tag)]
            case b"LOGOUT", []:
                return [Reply(b"* BYE Logging out\r\n%b OK Logout completed\r\n" % tag), *self._over("logout")]
            case b"STARTTLS", [] if self._starttls and not self._tls:
                return self._begin_tls(tag)
            case b"AUTHENTICATE", [Word(Kind.ATOM, mechanism)]:
                return self._authenticate(tag, mechanism, None)
            case b"AUTHENTICATE", [Word(Kind.ATOM, mechanism), Word(Kind.ATOM, initial)]:
                return self._authenticate(tag, mechanism, initial)
            case b"LOGIN", [Word(Kind.ATOM | Kind.STRING, username), Word(Kind.ATOM | Kind.STRING, password)]:
                return self._login(tag, username, password)
            case _:
                raise ProtocolViolation("Unknown command or arguments, or not before login")

    def _begin_tls(self, tag: bytes) -> list[Event]:
        if len(self._lines):
            # Whoever could inject them in clear would have them run as if they came by TLS (CVE-2021-33515).
            return [
                Reply(b"%b BAD Nothing may follow STARTTLS\r\n" % tag),
                *self._over("bytes in clear behind STARTTLS", abuse=True),
            ]
        self._state = _Parked.HANDSHAKE
        return [Reply(b"%b OK Begin TLS\r\n" % tag), StartTls()]

    def _authenticate(self, tag: bytes, mechanism: bytes, initial: bytes | None) -> list[Event]:
        if not self._tls:
            return self._private(tag, exposed=initial is not None)
        exchange = sasl.exchange(mechanism)
        if exchange is None:
            return self._refuse(b"%b NO Unsupported mechanism\r\n" % tag)
        self._tag = tag
        self._state = _Answer(exchange)
        return self._step(exchange.begin(initial))

    def _login(self, tag: bytes, username: bytes, password: bytes) -> list[Event]:
        if not self._tls:
            return self._private(tag, exposed=True)
        if max(len(username), len(password)) > grammar.STRING_MAX:
            raise ProtocolViolation("String too long")
        self._tag = tag
        return self._step(sasl.credential(username, password, "LOGIN-COMMAND"))

    def _step(self, step: sasl.Step) -> list[Event]:
        match step:
            case sasl.Challenge():
                return [Reply(b"+ %b\r\n" % step.base64)]
            case LoginAttempt():
                self._state = _Parked.DECISION
                return [step]
            case sasl.Rejected(fault):
                return self._rejected(fault)
            case _:
                assert_never(step)

    def _rejected(self, fault: sasl.Fault) -> list[Event]:
        match fault:
            case sasl.Fault.CANCELLED:
                return self._refuse(b"%b BAD Authentication aborted by client.\r\n" % self._tag)
            case sasl.Fault.BASE64:
                return self._bad(self._tag, "Invalid base64")
            case sasl.Fault.TOO_LONG:
                return self._bad(self._tag, "Response too long")
            case sasl.Fault.MESSAGE:
                return self._refuse(codes.imap(Reason.BAD_NAME, self._tag, self._say))
            case _:
                assert_never(fault)

    def _private(self, tag: bytes, *, exposed: bool = False) -> list[Event]:
        """Refuse a login in clear text. (RFC 5530 §3)"""
        self.exposed = self.exposed or exposed
        return self._refuse(b"%b NO [PRIVACYREQUIRED] Begin TLS first\r\n" % tag)

    def _refuse(self, reply: bytes) -> list[Event]:
        self._state = _Line()
        self._refusals += 1
        return [Reply(reply), *(self._bye("Too many failed logins") if self._refusals == REFUSALS_MAX else [])]

    def _bad(self, tag: bytes, text: str) -> list[Event]:
        self._state = _Line()
        self._bad_commands += 1
        reply = Reply(b"%b BAD %b\r\n" % (tag, text.encode()))
        return [reply, *(self._bye("Too many invalid commands") if self._bad_commands == BAD_COMMANDS_MAX else [])]

    def _bye(self, text: str) -> list[Event]:
        return [Reply(b"* BYE %b\r\n" % text.encode()), *self._over(text, abuse=True)]

    def _over(self, why: str, *, abuse: bool = False) -> list[Event]:
        self._state = _Parked.OVER
        self._lines.leftover()
        return [Close(why, abuse)]

    def _is_over(self) -> bool:
        return self._state is _Parked.OVER

    def _capabilities(self) -> bytes:
        return announced(self._store, tls=self._tls, starttls=self._starttls)
