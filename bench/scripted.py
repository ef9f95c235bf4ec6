"""A mail store that costs little and holds many: it lets the master in to whatever mailbox, and anybody by a password
that begins as it should. `python -m bench.scripted CERTIFICATE KEY IMAP-PORT SUBMISSION-PORT`
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import uvloop

from bench.clients import HOST
from mailguard.net.tls import server_context
from tests.e2e.daemon import Log, free_ports, running
from tests.e2e.scripted import MASTER_SECRET, lone_stack
from tests.e2e.stack import Stack
from tests.support.certs import Authority

RIGHT = "right-"
BACKLOG = 4096


class _Lines(asyncio.Protocol, ABC):
    greeting = b""

    def __init__(self) -> None:
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own kind is no subclass
        self._transport.write(self.greeting)

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            self.line(line)

    @abstractmethod
    def line(self, line: bytes) -> None:
        """Answer one line of the client's."""

    def say(self, data: bytes) -> None:
        self._transport.write(data + b"\r\n")


class _Imap(_Lines):
    _CAPABILITY = b"CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN"
    greeting = b"* OK [" + _CAPABILITY + b"] ready\r\n"

    def line(self, line: bytes) -> None:
        tag, _, rest = line.partition(b" ")
        command, _, argument = rest.partition(b" ")
        match command.upper():
            case b"AUTHENTICATE":
                yes = _right(argument.partition(b" ")[2])
                code = b" OK [" + self._CAPABILITY + b"] in" if yes else b" NO [AUTHENTICATIONFAILED] no"
                self.say(tag + code)
            case b"CAPABILITY":
                self.say(b"* " + self._CAPABILITY + b"\r\n" + tag + b" OK done")
            case b"ID":
                self.say(b"* ID NIL\r\n" + tag + b" OK done")
            case b"IDLE":
                self.say(b"+ idling")
            case b"LOGOUT":
                self.say(b"* BYE\r\n" + tag + b" OK done")
                self._transport.close()
            case _:
                self.say(tag + b" OK done")


class _Submission(_Lines):
    greeting = b"220 store ESMTP\r\n"

    def line(self, line: bytes) -> None:
        verb, _, argument = line.partition(b" ")
        match verb.upper():
            case b"EHLO":
                self.say(b"250-store\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250 AUTH PLAIN")
            case b"AUTH":
                self.say(b"235 2.7.0 in" if _right(argument.partition(b" ")[2]) else b"535 5.7.8 no")
            case b"RCPT":
                self.say(b"554 5.7.1 log in first")
            case b"QUIT":
                self.say(b"221 2.0.0 bye")
                self._transport.close()
            case _:
                self.say(b"250 2.0.0 ok")


def _right(response: bytes) -> bool:
    _, _, password = base64.b64decode(response).decode().split("\0")
    return password == MASTER_SECRET or password.startswith(RIGHT)


async def _serve(tls: ssl.SSLContext, imap: int, submission: int) -> None:
    loop = asyncio.get_running_loop()
    for protocol, port in ((_Imap, imap), (_Submission, submission)):
        await loop.create_server(protocol, HOST, port, ssl=tls, backlog=BACKLOG)
    await asyncio.Event().wait()


@contextlib.contextmanager
def running_scripted(folder: Path) -> Iterator[Stack]:
    """The store in a process of its own, and a stack that has nothing else."""
    authority = Authority(folder)
    certificate = authority.issue("localhost", "mail.example.org", "127.0.0.1")
    imap, submission = free_ports(2)
    command = [sys.executable, "-m", "bench.scripted", certificate.certificate, certificate.key, imap, submission]
    with running([str(word) for word in command], log=Log(folder / "store.log"), ports=[imap, submission]):
        yield lone_stack(authority, certificate, iter(()), imap=imap, submission=submission, identity=imap)


if __name__ == "__main__":
    _certificate, _key, *_ports = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve(server_context(Path(_certificate), Path(_key), minimum="TLSv1.2"), *map(int, _ports)))
