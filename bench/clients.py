"""The load: mail programs that do one thing, often. Their own cost is in no figure."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

HOST = "127.0.0.1"
NAME = "localhost"  # what the certificate must carry
READ = 1 << 18
PATIENCE = 60.0


class Unexpected(Exception):
    """A target did not do as asked; the text has its words."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What is typed into a mail program."""

    name: str
    password: str


def context(ca: Path) -> ssl.SSLContext:
    """Verifies chain and name, as mail programs do."""
    return ssl.create_default_context(cafile=str(ca))


class Session(Protocol):
    """One connection of either protocol, past its greeting."""

    async def enter(self, credential: Credential) -> None:
        """Log in; Unexpected where that is refused."""

    async def leave(self) -> None:
        """Say goodbye and wait for the end."""

    def abort(self) -> None:
        """Hang up."""


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @property
    def local(self) -> tuple[str, int]:
        """Its own address and port."""
        address, port = self.writer.get_extra_info("sockname")
        return str(address), int(port)

    def abort(self) -> None:
        self.writer.transport.abort()

    async def line(self) -> bytes:
        line = await self.reader.readline()
        if not line.endswith(b"\n"):
            raise Unexpected("the connection ended")
        return line

    async def end(self) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while await self.reader.read(READ):
                pass
        self.writer.close()


class Imap(_Connection):
    """IMAP."""

    async def greet(self) -> None:
        """Hear the greeting."""
        if not (greeting := await self.line()).startswith(b"* OK"):
            raise Unexpected(repr(greeting))

    async def enter(self, credential: Credential) -> None:
        await self.command(f'LOGIN {credential.name} "{credential.password}"')

    async def leave(self) -> None:
        self.writer.write(b"z LOGOUT\r\n")
        await self.end()

    async def command(self, text: str) -> bytes:
        """Say it and wait for its OK: the tagged line."""
        self.writer.write(b"a " + text.encode() + b"\r\n")
        return await self.tagged()

    async def tagged(self) -> bytes:
        """The next tagged line, which must be an OK."""
        while not (line := await self.line()).startswith(b"a "):
            pass
        if not line.startswith(b"a OK"):
            raise Unexpected(repr(line))
        return line

    async def idle(self) -> None:
        """Go idle."""
        self.writer.write(b"i IDLE\r\n")
        while not (line := await self.line()).startswith(b"+"):
            if line.startswith(b"i "):
                raise Unexpected(repr(line))

    async def fetch(self, number: int) -> int:
        """Fetch a message whole; the octets that came."""
        self.writer.write(b"f FETCH %d BODY.PEEK[]\r\n" % number)
        got, end = 0, b""
        while b"\r\nf OK" not in end:
            if not (part := await self.reader.read(READ)):
                raise Unexpected("the connection ended in a FETCH")
            got += len(part)
            end = (end + part)[-256:]
        return got

    async def append(self, message: bytes) -> None:
        """Put a message into the inbox."""
        self.writer.write(b"a APPEND INBOX {%d}\r\n" % len(message))
        while not (line := await self.line()).startswith(b"+"):
            if line.startswith(b"a "):
                raise Unexpected(repr(line))
        self.writer.write(message + b"\r\n")
        await self.writer.drain()
        await self.tagged()


class Submission(_Connection):
    """Submission."""

    async def greet(self) -> None:
        """Hear the greeting and say EHLO."""
        await self.reply(b"220")
        await self.command(b"EHLO bench.example.org", b"250")

    async def enter(self, credential: Credential) -> None:
        response = base64.b64encode(f"\0{credential.name}\0{credential.password}".encode())
        await self.command(b"AUTH PLAIN " + response, b"235")

    async def leave(self) -> None:
        self.writer.write(b"QUIT\r\n")
        await self.end()

    async def command(self, text: bytes, code: bytes) -> None:
        """Say it; the reply must have this code."""
        self.writer.write(text + b"\r\n")
        await self.reply(code)

    async def reply(self, code: bytes) -> None:
        """A reply of one or more lines."""
        while (line := await self.line())[3:4] == b"-":
            pass
        if not line.startswith(code):
            raise Unexpected(repr(line))

    async def send(self, sender: str, recipient: str, message: bytes) -> None:
        """Hand in a message, which has no line that begins with a dot."""
        await self.command(b"MAIL FROM:<" + sender.encode() + b">", b"250")
        await self.command(b"RCPT TO:<" + recipient.encode() + b">", b"250")
        await self.command(b"DATA", b"354")
        self.writer.write(message + b".\r\n")
        await self.writer.drain()
        await self.reply(b"250")


async def _connect(port: int, tls: ssl.SSLContext, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    # No STARTTLS here, and the load generator guards nothing: streams will do.
    return await asyncio.open_connection(  # noqa: TID251
        HOST, port, ssl=tls, server_hostname=NAME, limit=1 << 20, local_addr=(source, 0)
    )


async def imap(port: int, tls: ssl.SSLContext, source: str = HOST) -> Imap:
    """An IMAP connection past its greeting."""
    session = Imap(*await _connect(port, tls, source))
    await session.greet()
    return session


async def submission(port: int, tls: ssl.SSLContext, source: str = HOST) -> Submission:
    """A submission connection past EHLO."""
    session = Submission(*await _connect(port, tls, source))
    await session.greet()
    return session


@contextlib.asynccontextmanager
async def reading(port: int, tls: ssl.SSLContext, credential: Credential) -> AsyncIterator[Imap]:
    """A logged-in IMAP session that says goodbye at the end."""
    session = await imap(port, tls)
    try:
        await session.enter(credential)
        yield session
        await session.leave()
    finally:
        session.abort()


@contextlib.asynccontextmanager
async def sending(port: int, tls: ssl.SSLContext, credential: Credential) -> AsyncIterator[Submission]:
    """A logged-in submission session that says goodbye at the end."""
    session = await submission(port, tls)
    try:
        await session.enter(credential)
        yield session
        await session.leave()
    finally:
        session.abort()
