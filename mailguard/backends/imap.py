"""The wire to an IMAP store: aioimaplib's client protocol, hardened. Lines in, answers out; what is asked: imap_login.

aioimaplib trusts its server. Read with its source beside it, these are the ways a store could hang, flood or deceive
it, and what is put in their place:

* it buffers without a cap, rescans what it has, and recurses once a line: here a line and an answer are capped before
  they are kept, and scanning is linear;
* a line it did not expect raises in a callback or in a task that nobody awaits, and the caller sleeps until its
  timeout: here every violation fails the pending command at once and cuts the connection;
* it takes any first line with OK in it for a greeting, waits for literals of any length, edits `* ` out of texts, and
  drops untagged lines behind a tagged one: here lines are parsed, literals refused, and nothing is parsed any more
  once a login has been answered, so that every further byte reaches the client;
* it logs what it sends and receives: here its loggers are off, for good.

Taken from it: commands and their tags, the refusal of CR, LF and NUL in arguments, the table of what is legal in which
state, and the waiting for one answer at a time. The private parts among these are pinned in tests/contracts.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from aioimaplib.aioimaplib import AUTH, CONNECTED, NONAUTH, STARTED, Command, IMAP4ClientProtocol

from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.imap_answers import Status, Word, status, untagged_status
from mailguard.protocols.client.foreign import foreign

LINE = 8192  # octets with CRLF
LINES = 64  # an answer
_LITERAL = re.compile(rb"\{[0-9]+\+?\}$")  # nothing that a login needs is a literal, and lengths are traps
_CONTROLS = re.compile(rb"[\x00\r\n]")

logging.getLogger("aioimaplib").disabled = True
logging.getLogger("aioimaplib.aioimaplib").disabled = True


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one command. `untagged` are the lines before it, without line ends."""

    status: Status
    untagged: tuple[bytes, ...]
    heard: bool  # everything that the command had to say was said before it was answered


class ImapWire(IMAP4ClientProtocol):  # type: ignore[misc]  # aioimaplib has no types
    """One connection to an IMAP store, up to the end of its login. Fails at once or answers."""

    transport: asyncio.Transport  # once connected

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.failure: BackendFailure | None = None
        self._buffer = bytearray()
        self._scanned = 0
        self._parked = False
        self._park_next = False
        self._greeting: Status | None = None
        self._greeted = asyncio.Event()
        self._answer: Answer | None = None
        self._untagged: list[bytes] = []
        self._most_lines = LINES
        self._lines_behind = LINES
        self._continuations: deque[bytes] = deque()
        self._sasl = False
        self._secrets: tuple[bytes, ...] = ()
        self._ahead: Command | None = None
        self._foretold: Answer | None = None
        self._held = b""

    # What the login asks of the wire.

    async def greeting(self) -> Status:
        """The store's greeting, which is an OK. Raises BackendFailure."""
        await self._greeted.wait()
        if self._greeting is None:
            raise self._failed()
        return self._greeting

    async def ask(self, name: str, *arguments: str, park: bool = False) -> Answer:
        """Send one command and wait for its answer; `park`: parse nothing behind it. Raises BackendFailure."""
        return await self._ask(name, arguments, (), park=park, lines=LINES)

    def ahead(self, name: str, *arguments: str) -> None:
        """Send one command in one write with the next, whose answer comes behind its own (RFC 9051 §5.5). For stores
        alone that are known to take that, and before a command that needs no continuation."""
        self._ahead = Command(name, self.new_tag(), *arguments, loop=self.loop)
        self._held = f"{self._ahead}\r\n".encode()

    @property
    def foretold(self) -> Answer | None:
        """What the command sent ahead was answered; None where none was."""
        return self._foretold

    async def offer(
        self, name: str, *arguments: str, continuations: Iterable[bytes], secrets: Iterable[bytes], lines: int
    ) -> Answer:
        """Send a command that carries a credential: a line of `continuations` whenever the store asks for more.

        Parks whatever the answer. `secrets` are kept out of what is told about the store's words.
        """
        self._secrets = tuple(secrets)
        answer = await self._ask(name, arguments, continuations, park=True, lines=lines)
        if answer.status.word is Word.OK:
            self.state = AUTH
        return answer

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None:
        """Begin TLS on the parked connection (RFC 9051 §6.2.1). Raises BackendFailure, ssl.SSLError, OSError."""
        if self._buffer:
            raise self._fail(FailureKind.TLS, "the store sent clear text behind its answer to STARTTLS")
        upgraded: asyncio.Transport | None = None
        if not self.transport.is_closing():
            upgraded = await self.loop.start_tls(
                self.transport, self, context, server_side=False, server_hostname=server_hostname
            )
        if upgraded is None:  # asyncio gives None where the connection was lost just then
            raise self._fail(FailureKind.TLS, "the store dropped the connection before TLS")
        self.transport = upgraded
        self.unpark()

    def unpark(self) -> None:
        """Parse on, from the first byte behind the last answer."""
        self._parked = False
        if self.transport.is_closing():
            self.connection_lost(None)
        self.transport.resume_reading()
        self._read_lines()

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """The transport, its reading paused, and every byte behind the last answer. The wire is dead afterwards."""
        assert self._parked
        leftover = bytes(self._buffer)
        self._buffer.clear()
        self._secrets = ()
        return self.transport, leftover

    def leave(self) -> None:
        """Say goodbye and close."""
        self.send(f"{self.new_tag()} LOGOUT")
        self.transport.close()

    def abort(self) -> None:
        """Cut the connection now, if there is one yet."""
        if self.state != STARTED:
            self.transport.abort()

    # What asyncio and aioimaplib call.

    def data_received(self, d: bytes) -> None:
        """Keep what came and read what is whole."""
        if self.failure is None:
            self._buffer += d
            self._read_lines()

    def connection_lost(self, exc: Exception | None) -> None:
        """The pending command is over with the connection; what a parked wire holds is still the client's."""
        if self.failure is None and not self._parked:
            before = self.state == CONNECTED
            cause = f" ({exc})" if exc is not None else ""
            kind = FailureKind.UNREACHABLE if before else FailureKind.TEMPORARY
            self._fail(kind, f"the store dropped the connection{' before its greeting' if before else ''}{cause}")

    def send(self, line: str, scrub: str | None = None) -> None:
        """Send one line; aioimaplib's own would log it."""
        held, self._held = self._held, b""
        self.transport.write(held + line.encode() + b"\r\n")

    def _handle_line(self, line: bytes, current_cmd: Command | None) -> None:
        self._most_lines -= 1
        if self._most_lines < 0:
            self._fail(FailureKind.PROTOCOL, "the store floods us with lines")
        elif _CONTROLS.search(line):
            self._fail(FailureKind.PROTOCOL, "the store sent a control character")
        elif _LITERAL.search(line):
            self._fail(FailureKind.PROTOCOL, "the store sent a literal before the end of the login")
        elif self.state == CONNECTED:
            self._welcome(line)
        elif line.startswith(b"* "):
            self._untagged_response(line)
        elif line == b"+" or line.startswith(b"+ "):
            self._continuation(line)
        else:
            self._response_done(line)

    def _untagged_response(self, line: bytes) -> None:
        said = untagged_status(line)
        if said is not None and said.word is Word.BYE:
            self._fail(FailureKind.TEMPORARY, f"the store ended the session: {self.quote(said.text)}")
        else:
            self._untagged.append(line)

    def _continuation(self, line: bytes) -> None:
        if self._ahead is not None:
            self._fail(FailureKind.PROTOCOL, "the store asked for more where nothing was left to say")
        elif self._pending() is not None and self._continuations:
            self.transport.write(self._continuations.popleft() + b"\r\n")
        elif self._pending() is not None and self._sasl:
            # The store says more about a failed exchange; it is owed an empty line before its NO (RFC 7628 §3.2.3).
            self._sasl = False
            self.send("")
        else:
            self._fail(FailureKind.PROTOCOL, "the store asked for more where nothing was left to say")

    def _response_done(self, line: bytes) -> None:
        tag, _, rest = line.partition(b" ")
        command = self._ahead or self._pending()
        if command is None or tag != command.tag.encode():
            self._fail(FailureKind.PROTOCOL, f"the store answered what was not asked: {self.quote(line)}")
            return
        said = status(rest)
        if said is None or said.word in (Word.BYE, Word.PREAUTH):
            self._fail(FailureKind.PROTOCOL, f"the store gave no known answer: {self.quote(rest)}")
            return
        answer = Answer(said, tuple(self._untagged), heard=not self._continuations)
        self._untagged = []
        if self._ahead is not None:
            self._ahead, self._foretold = None, answer
            self._most_lines = self._lines_behind
            return
        self._answer, self._most_lines = answer, LINES
        if self._park_next:
            self._park()
        self._finish(command)

    def quote(self, text: bytes) -> str:
        """The store's words for an operator, without the credential."""
        return foreign(text, self._secrets)

    async def _ask(
        self, name: str, arguments: Iterable[str], continuations: Iterable[bytes], *, park: bool, lines: int
    ) -> Answer:
        if self.failure is not None:
            raise self._failed()
        self._answer = None
        self._lines_behind = lines + 1  # one for the tagged line
        most = LINES + 1 if self._ahead is not None else self._lines_behind
        self._most_lines = most - len(self._untagged)  # some may have come unasked
        self._continuations = deque(continuations)
        self._sasl = name == "AUTHENTICATE"
        self._park_next = park
        await self.execute(Command(name, self.new_tag(), *arguments, loop=self.loop))
        if self._answer is None:
            raise self._failed()
        return self._answer

    def _welcome(self, line: bytes) -> None:
        said = untagged_status(line)
        if said is None or said.word is not Word.OK:
            # PREAUTH is how an attacker skips STARTTLS and the login with it (RFC 9051 §7.1.4).
            self._fail(FailureKind.UNREACHABLE, f"the store did not greet us: {self.quote(line)}")
            return
        self.state = NONAUTH
        self._greeting = said
        self._greeted.set()

    def _read_lines(self) -> None:
        while not self._parked and self.failure is None:
            end = self._buffer.find(b"\r\n", self._scanned)
            if end + 2 > LINE or (end < 0 and len(self._buffer) >= LINE):
                self._fail(FailureKind.PROTOCOL, "the store sent an overlong line")
                return
            if end < 0:
                self._scanned = max(len(self._buffer) - 1, 0)
                return
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            self._scanned = 0
            self._handle_line(line, None)

    def _park(self) -> None:
        self._parked = True
        self.transport.pause_reading()

    def _pending(self) -> Command | None:
        return self.pending_sync_command or next(iter(self.pending_async_commands.values()), None)

    def _finish(self, command: Command) -> None:
        self.pending_sync_command = None
        self.pending_async_commands.clear()
        command.close(b"", "done")

    def _fail(self, kind: FailureKind, text: str) -> BackendFailure:
        self.failure = BackendFailure(kind, text)
        self._buffer.clear()
        self.abort()
        self._greeted.set()
        if (command := self._pending()) is not None:
            self._finish(command)
        return self.failure

    def _failed(self) -> BackendFailure:
        assert self.failure is not None
        return self.failure
