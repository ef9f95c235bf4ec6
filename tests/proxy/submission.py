"""The real submission front on a real socket, before a scripted session and a real aiosmtpd as the store."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from textwrap import dedent
from typing import cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from mailguard.auth.attempt import LoginAttempt, Reason, Refused
from mailguard.net.listener import Afterwards
from mailguard.net.relay import Relay
from mailguard.net.stream import Stream, connect
from mailguard.net.tasks import Tasks
from mailguard.net.tls import client_context, server_context
from mailguard.protocols.codes import Say, submission
from mailguard.proxy.smtp_front import SubmissionPort, serve
from tests.support.certs import Authority, Issued

HOST = "127.0.0.1"
SAY = Say("https://mail.example.org/security")
KEYWORDS = (b"PIPELINING", b"SIZE 52428800", b"8BITMIME", b"SMTPUTF8")
PASSWORD = b"hunter2hunter2 123456"
GREETING = b"220 mail.example.org ESMTP mailguard\r\n"
PASSED = b"235 2.7.0 Authentication successful\r\n"
FAILED = submission(Reason.WRONG_PASSWORD, SAY)
PATIENCE = 30.0  # seconds, for what takes milliseconds


def plain(password: bytes = PASSWORD, user: bytes = b"ann@example.org", authzid: bytes = b"") -> bytes:
    """A SASL PLAIN message in base64."""
    return b64encode(authzid + b"\0" + user + b"\0" + password)


WRONG = plain(b"wrong")


@dataclass(slots=True)
class Letter:
    """What the store took."""

    sender: str
    recipients: list[str]
    size: int
    content: bytes


class Store:
    """A submission store behind the guard: aiosmtpd without any authentication of its own."""

    def __init__(self) -> None:
        self.letters: asyncio.Queue[Letter] = asyncio.Queue()
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Store]:
        """Listen while the block lasts."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._smtp, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    def _smtp(self) -> SMTP:
        return SMTP(
            self, hostname="store", enable_SMTPUTF8=True, data_size_limit=2**26, loop=asyncio.get_running_loop()
        )

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """aiosmtpd's hook for a letter that has come in whole."""
        assert isinstance(envelope.content, bytes)
        assert envelope.mail_from is not None
        self.letters.put_nowait(
            Letter(envelope.mail_from, envelope.rcpt_tos, len(envelope.content), envelope.content[:4096])
        )
        return "250 2.0.0 Delivered"

    async def leg(self) -> StoreLeg:
        """A connection that has come as far as a login would."""
        stream = await connect(HOST, self.port, context=None, server_hostname=None, timeout=PATIENCE)
        said = b""
        stream.write(b"EHLO guard\r\n")
        while b"\r\n250 " not in said or not said.endswith(b"\r\n"):
            said += await stream.read()
        return StoreLeg(stream)


class ByteStore:
    """A store that reads nothing into what it gets: it counts up to a line with a dot."""

    def __init__(self) -> None:
        self.taken = b""  # the first of it
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ByteStore]:
        """Listen while the block lasts."""
        server = await asyncio.get_running_loop().create_server(lambda: _Counting(self), HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    async def leg(self) -> StoreLeg:
        """A connection to it."""
        return StoreLeg(await connect(HOST, self.port, context=None, server_hostname=None, timeout=PATIENCE))


class _Counting(asyncio.Protocol):
    def __init__(self, store: ByteStore) -> None:
        self._store = store
        self._count = 0
        self._end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._count += len(data)
        self._store.taken += data[: max(0, 4096 - len(self._store.taken))]
        self._end = (self._end + data)[-5:]
        if self._end == b"\r\n.\r\n":
            self._transport.write(b"250 %d octets\r\n" % self._count)


class StoreLeg:
    """Implements backends.leg.Leg."""

    reply = PASSED
    untagged: tuple[bytes, ...] = ()
    capabilities: frozenset[str] = frozenset()

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.aborted = False

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """For the relay."""
        return self._stream.detach()

    def abort(self) -> None:
        """Not wanted any more."""
        self.aborted = True
        self._stream.abort()


@dataclass(slots=True)
class ScriptedGate:
    """A session that lets one password in. While `hold` is clear, its decisions wait."""

    store: Store | ByteStore
    reason: Reason = Reason.WRONG_PASSWORD
    attempts: list[tuple[str, bytes, str, str]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    legs: list[StoreLeg] = field(default_factory=list)
    leftovers: list[bytes] = field(default_factory=list)
    relays: int = 0
    decided: int = 0
    before_answer: Callable[[], object] = lambda: None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    relaying: asyncio.Event = field(default_factory=asyncio.Event)

    async def login(self, attempt: LoginAttempt, helo: str) -> StoreLeg | Refused:
        """Decide by the password."""
        self.attempts.append((attempt.username, attempt.secret.reveal(), attempt.mechanism, helo))
        self.asked.set()
        await self.hold.wait()
        self.decided += 1
        if attempt.secret.reveal() != PASSWORD:
            return Refused(self.reason)
        leg = await self.store.leg()
        self.legs.append(leg)
        self.before_answer()
        return leg

    async def relay(self, client: asyncio.Transport, leftover: bytes, leg: object) -> None:
        """Join the sockets."""
        assert isinstance(leg, StoreLeg)
        self.leftovers.append(leftover)
        transport, first = leg.detach()
        self.relaying.set()
        relay = Relay(client, transport, to_store=leftover, to_client=first)
        try:
            await relay.run()
            self.relays += 1
        finally:
            relay.abort()

    def done(self, why: str) -> None:
        """No relay."""
        self.ended.append(why)


class Client:
    """One client, byte by byte in control."""

    def __init__(self, stream: Stream, context: ssl.SSLContext) -> None:
        self.stream = stream
        self._context = context
        self._held = b""

    def send(self, data: bytes) -> None:
        """Write and do not wait."""
        self.stream.write(data)

    async def line(self) -> bytes:
        """One line with its CRLF; what is there at the end of input."""
        async with asyncio.timeout(PATIENCE):
            while b"\n" not in self._held and (more := await self.stream.read()):
                self._held += more
        line, end, self._held = self._held.partition(b"\n")
        return line + end

    async def reply(self) -> bytes:
        """One reply, all its lines."""
        lines = [await self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(await self.line())
        return b"".join(lines)

    async def ask(self, command: bytes) -> bytes:
        """Send one command line, take its reply."""
        self.send(command + b"\r\n")
        return await self.reply()

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        async with asyncio.timeout(PATIENCE):
            while more := await self.stream.read():
                self._held += more
        held, self._held = self._held, b""
        return held

    async def take(self, octets: int) -> bytes:
        """So many octets, or what came before the end."""
        async with asyncio.timeout(PATIENCE):
            while len(self._held) < octets and (more := await self.stream.read()):
                self._held += more
        taken, self._held = self._held[:octets], self._held[octets:]
        return taken

    async def takes(self, data: bytes) -> bool:
        """Write, and say whether the server still takes it."""
        self.send(data)
        try:
            await asyncio.wait_for(asyncio.shield(self.stream.drain()), 0.5)
        except TimeoutError:
            return False
        return True

    def reset(self) -> None:
        """Go without a word."""
        transport, _ = self.stream.detach()
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    async def start_tls(self) -> None:
        """The client's side of it."""
        await self.stream.start_tls(self._context, server_side=False, server_hostname="localhost")

    async def login(self) -> None:
        """From the greeting into the relay."""
        assert await self.reply() == GREETING
        await self.ask(b"EHLO client.example")
        assert await self.ask(b"AUTH PLAIN " + plain()) == PASSED


@dataclass(slots=True)
class Front:
    """A submission port that is listening."""

    port: int
    context: ssl.SSLContext  # of clients
    gate: ScriptedGate
    starttls: bool
    sessions: list[asyncio.Task[None]] = field(default_factory=list)
    admitted: int = 0
    accepted: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Connect; with TLS where the port begins with it."""
        context = None if self.starttls else self.context
        stream = await connect(HOST, self.port, context=context, server_hostname="localhost", timeout=PATIENCE)
        try:
            yield Client(stream, self.context)
        finally:
            stream.abort()

    async def settled(self) -> None:
        """Wait until every connection so far has ended; there was at least one."""
        async with asyncio.timeout(PATIENCE):
            await self.accepted.wait()
            await asyncio.gather(*self.sessions)

    def admit(self) -> None:
        """The lobby's place is free."""
        self.admitted += 1


class Fronts:
    """Makes ports; fails the test if one of them leaves a task or has its loop report an error."""

    def __init__(self, authority: Authority, localhost: Issued, store: Store) -> None:
        self.context = server_context(localhost.certificate, localhost.key, minimum="TLSv1.2")
        self._client = client_context(authority.ca)
        self.store = store

    @asynccontextmanager
    async def front(
        self,
        *,
        starttls: bool = False,
        keywords: Callable[[], tuple[bytes, ...] | None] = lambda: KEYWORDS,
        deadline: float = 60.0,
        gate: ScriptedGate | None = None,
    ) -> AsyncIterator[Front]:
        """One port, listening while the block lasts."""
        loop = asyncio.get_running_loop()
        reported: list[dict[str, object]] = []
        loop.set_exception_handler(lambda _, context: reported.append(context))
        tasks = Tasks()
        if gate is None:
            gate = ScriptedGate(self.store)
            gate.hold.set()
        shared = SubmissionPort("mail.example.org", SAY, keywords, self.context, starttls, deadline)
        with socket.create_server((HOST, 0)) as listening:
            listening.setblocking(False)
            front = Front(listening.getsockname()[1], self._client, gate, starttls)

            async def accept() -> None:
                while True:
                    sock, _ = await loop.sock_accept(listening)
                    sock.setblocking(False)
                    session = _whole(serve(sock, front.gate, shared, admitted=front.admit))
                    front.sessions.append(tasks.spawn(session, name="submission"))
                    front.accepted.set()

            accepting = tasks.spawn(accept(), name="accept")
            try:
                yield front
                await front.settled()
            finally:
                accepting.cancel()
                with suppress(asyncio.CancelledError):
                    await accepting
                await tasks.close()
        assert not reported


async def _whole(login: Awaitable[Afterwards | None]) -> None:
    if (relay := await login) is not None:
        await relay()


async def replay(front: Front, script: str, step: int) -> tuple[str, str]:
    """What the server should say and what it says, when the client's bytes come `step` at a time.

    C: a line of the client    C| the same without its CRLF    S: a line of the server    ! tls    # a remark
    A script ends with the connection: the server closes it, or the client does and the store behind answers QUIT.
    """
    expected = "".join(line[3:] + "\n" for line in script.splitlines() if line.startswith("S:"))
    stretches = [b""]
    for line in script.splitlines():
        if line.startswith(("C:", "C|")):
            said = line[3:].encode().decode("unicode_escape").encode("latin-1")
            stretches[-1] += said + (b"\r\n" if line[1] == ":" else b"")
        elif line == "! tls":
            stretches.append(b"")
    heard = b""
    async with front.client() as client:
        for last, said in enumerate(stretches, 1 - len(stretches)):
            for at in range(0, len(said), step):
                client.send(said[at : at + step])
                await asyncio.sleep(0)  # lets a small piece leave alone
            if last < 0:
                while b"220 2.0.0" not in heard:
                    heard += await client.reply()
                await client.start_tls()
        heard += await client.rest()
    return expected, heard.decode().replace("\r\n", "\n")


def scripted(text: str) -> str:
    """A script from an indented block."""
    return dedent(text).strip().format(failed=FAILED.decode().strip(), plain=plain().decode(), wrong=WRONG.decode())
