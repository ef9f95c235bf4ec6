"""A mail program that says just what a test says, alike for both protocols, and which worker it speaks to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

from mailguard.auth.attempt import MailProtocol
from mailguard.net.stream import connect
from mailguard.net.tls import client_context
from tests.e2e.clients import Door, Login
from tests.e2e.daemon import eventually
from tests.e2e.guard import DATABASE, Guard
from tests.support.worker import Client, plain

PATIENCE = 30.0


class Program:
    """One connection to one of the guard's doors."""

    def __init__(self, client: Client, protocol: MailProtocol) -> None:
        self._client = client
        self._protocol = protocol
        self.greeting = b""
        self.said: list[bytes] = []  # the lines of the last answer

    @property
    def port(self) -> int:
        """The client's own, by which the list of sessions knows it."""
        return self._client.stream.local[1]

    async def greet(self) -> None:
        """Hear the greeting, and say EHLO where that is done."""
        self.greeting = await self._client.line()
        if self._protocol is MailProtocol.SUBMISSION and self.greeting.startswith(b"220"):
            self.say(b"EHLO laptop\r\n")
            await self.answer()

    def say(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._client.say(data)

    def offer(self, name: str, password: str) -> None:
        """Ask to be let in."""
        imap = self._protocol is MailProtocol.IMAP
        self.say(b"%b PLAIN %b\r\n" % (b"a AUTHENTICATE" if imap else b"AUTH", plain(name, password)))

    async def answer(self) -> bytes:
        """The answer to the last command: the tagged line without its tag, or the last line of a reply."""
        self.said = []
        while True:
            self.said.append(line := await self._client.line())
            if self._protocol is MailProtocol.IMAP and line.startswith(b"a "):
                return line[2:]
            if self._protocol is MailProtocol.SUBMISSION and line[3:4] == b" ":
                return line

    async def log_in(self, login: Login) -> bytes:
        """Ask to be let in; the answer."""
        self.offer(login.name, login.password)
        return await self.answer()

    async def alive(self) -> bool:
        """Does the store still answer?"""
        imap = self._protocol is MailProtocol.IMAP
        self.say(b"a NOOP\r\n" if imap else b"NOOP\r\n")
        try:
            return (await self.answer()).startswith(b"OK" if imap else b"250")
        except (AssertionError, ConnectionError):
            return False

    async def end(self) -> float:
        """Wait until the guard has closed; the time of day."""
        with contextlib.suppress(ConnectionError):
            await self._client.rest()
        ended = time.time()
        self.close()
        return ended

    def close(self) -> None:
        """Leave at once."""
        self._client.close()


def granted(answer: bytes) -> bool:
    """Is this the answer to a login that passed?"""
    return answer.startswith((b"OK", b"235"))


def failed(answer: bytes) -> bool:
    """Is this the uniform failure?"""
    return answer.startswith((b"NO [AUTHENTICATIONFAILED] Sign-in failed.", b"535 5.7.8 Sign-in failed."))


async def connected(guard: Guard, protocol: MailProtocol, source: str = "127.0.0.1", tls: str = "implicit") -> Program:
    """A program that has been greeted."""
    imap = protocol is MailProtocol.IMAP
    door: Door = guard.imap(tls, source) if imap else guard.submission(tls, source)
    context = client_context(door.ca) if tls == "implicit" else None
    stream = await connect(
        "::1" if ":" in source else "127.0.0.1",
        door.port,
        context=context,
        server_hostname="localhost" if context is not None else None,
        local_address=source,
        timeout=PATIENCE,
    )
    program = Program(Client(stream, door.ca), protocol)
    await program.greet()
    return program


async def entered(guard: Guard, protocol: MailProtocol, login: Login, source: str = "127.0.0.1") -> Program:
    """A program that is in."""
    program = await connected(guard, protocol, source)
    answer = await program.log_in(login)
    assert granted(answer), answer
    return program


async def answered(guard: Guard, protocol: MailProtocol, login: Login, source: str = "127.0.0.1") -> bytes:
    """The answer to a login whose session, if it comes about, is left at once."""
    program = await connected(guard, protocol, source)
    answer = await program.log_in(login)
    program.close()
    return answer


async def greeted(guard: Guard, protocol: MailProtocol) -> bytes:
    """The greeting of a connection that is left at once."""
    program = await connected(guard, protocol)
    program.close()
    return program.greeting


# --- processes ---


def workers(guard: Guard) -> list[int]:
    """The process ids of a guard's workers."""
    return children(guard.process.pid)


def children(of: int) -> list[int]:
    """The processes that another one has started."""
    parents = {int(path.name): _parent(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
    return sorted(pid for pid, parent in parents.items() if parent == of)


def dead(pid: int) -> bool:
    """Has it ended, whoever has taken note of it?"""
    return status(Path(f"/proc/{pid}"), "State")[:1] in ("", "Z")


def holding(guard: Guard, port: int) -> list[int]:
    """Those of them that can accept connections at a port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {
        f"socket:[{line[9]}]" for line in lines if line[3] == "0A" and int(line[1].rpartition(":")[2], 16) == port
    }
    return [pid for pid in workers(guard) if sockets & _open_files(pid)]


def _open_files(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.add(str(file.readlink()))
    return found


def processes(guard: Guard) -> list[int]:
    """The supervisor and the workers."""
    return [guard.process.pid, *workers(guard)]


def _parent(process: Path) -> int:
    return int(status(process, "PPid") or 0)


def status(process: Path, field: str) -> str:
    """One field of /proc/PID/status; "" of a process that is gone."""
    try:
        found = re.search(rf"^{field}:\s*(.*)$", (process / "status").read_text(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return found[1] if found else ""


@contextlib.contextmanager
def only(guard: Guard, pid: int) -> Iterator[None]:
    """Hold every other worker still: whoever is greeted meanwhile speaks to this one."""
    others = [other for other in workers(guard) if other != pid]
    try:
        assert eventually(lambda: _held(guard, others), PATIENCE)
        yield
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)


def _held(guard: Guard, others: Sequence[int]) -> bool:
    """Stopped, and none of them in the middle of a change: with that it would hold up everybody."""
    for other in others:
        os.kill(other, signal.SIGSTOP)
    assert eventually(lambda: all(_stopped(other) for other in others), PATIENCE)
    with closing(sqlite3.connect(guard.configuration.parent / DATABASE, timeout=0.5, isolation_level=None)) as records:
        try:
            records.execute("BEGIN IMMEDIATE")
            records.execute("ROLLBACK")
        except sqlite3.OperationalError:
            for other in others:
                os.kill(other, signal.SIGCONT)
            return False
    return True


def _stopped(pid: int) -> bool:
    return status(Path(f"/proc/{pid}"), "State").startswith("T")


async def until(true: Callable[[], bool], timeout: float = PATIENCE) -> None:
    """Wait for what another process does in its own time."""
    assert await asyncio.to_thread(eventually, true, timeout)


def standing(*ports: int, source: str = "127.") -> int:
    """How many connections to these ports stand at both ends, from addresses that begin so."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    # local address, remote address, state; an address is a little-endian number in hex
    stand = [
        (_readable(here), int(there.rpartition(":")[2], 16)) for _, here, there, state, *_ in lines if state == "01"
    ]
    return sum(port in ports and address.startswith(source) for address, port in stand)


def _readable(address: str) -> str:
    return str(ip_address(bytes.fromhex(address.partition(":")[0])[::-1]))
