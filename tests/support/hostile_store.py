"""Mail stores that do as a script says: hostile ones, and sound ones that a test can look inside of.

They run in threads on blocking sockets, so that nothing they do depends on the event loop under test.
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType

from mailguard.net.tls import server_context
from tests.support.certs import Issued

_PATIENCE = 40.0  # seconds; a peer that waits longer for the other side has found a bug


class Peer:
    """One connection, seen from the store."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext | None, heard: list[bytes]) -> None:
        self._socket = connection
        self._context = context
        self._heard = heard
        self._buffer = b""

    def say(self, data: bytes) -> bool:
        """Send; False to a peer that has hung up, which is no error of the script."""
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def line(self) -> bytes:
        """The next line without its end; b"" once the other side has gone."""
        while b"\r\n" not in self._buffer:
            if not (data := self._receive()):
                return b""
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        self._heard.append(line)
        return line

    def octets(self, count: int) -> bytes:
        """Exactly so many bytes, or fewer at the end."""
        while len(self._buffer) < count and (data := self._receive()):
            self._buffer += data
        octets, self._buffer = self._buffer[:count], self._buffer[count:]
        self._heard.append(octets)
        return octets

    def start_tls(self) -> None:
        """Begin TLS as the server. Raises OSError where the other side does not follow."""
        assert self._context is not None
        # Wrapped first, so that hang_up() reaches a handshake that the other side does not go on with.
        self._socket = secured = self._context.wrap_socket(
            self._socket, server_side=True, do_handshake_on_connect=False
        )
        secured.do_handshake()

    def wait_for_end(self) -> None:
        """Sit still until the other side has gone; what it sends is thrown away."""
        while self._receive():
            pass

    def drop(self) -> None:
        """Close at once."""
        self.hang_up()
        self._socket.close()

    def hang_up(self) -> None:
        """End both directions, whatever another thread is waiting for."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except OSError:
            return b""


Script = Callable[[Peer], None]


class HostileStore:
    """Listens on loopback (or a unix socket) and runs `script` for each connection, over TLS where told to.

    `heard` are all lines of all connections; `connections` counts them; `failures` must be empty at the end.
    """

    def __init__(
        self,
        script: Script,
        *,
        certificate: Issued | None = None,
        implicit: bool = True,
        path: Path | None = None,
        at: int = 0,
    ) -> None:
        self.heard: list[bytes] = []
        self.sources: list[str] = []
        self.ended = threading.Event()  # set whenever a script has come to its end
        self._script = script
        self._context = (
            None if certificate is None else server_context(certificate.certificate, certificate.key, minimum="TLSv1.2")
        )
        self._implicit = implicit and certificate is not None
        self._failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._peers: list[Peer] = []
        if path is not None:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
        else:
            self._listener = socket.socket()
            self._listener.bind(("127.0.0.1", at))
        self._listener.listen(64)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many have come."""
        return len(self.sources)

    def __enter__(self) -> HostileStore:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in list(self._peers):
            peer.hang_up()
        for thread in list(self._threads):
            thread.join(_PATIENCE)
        if error is None and self._failures:
            raise self._failures[0]

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, source = self._listener.accept()
                connection.settimeout(_PATIENCE)
                self.sources.append(source[0] if source else "unix")
                peer = Peer(connection, self._context, self.heard)
                self._peers.append(peer)
                self._start(partial(self._serve, peer))

    def _serve(self, peer: Peer) -> None:
        try:
            if self._implicit:
                peer.start_tls()
            self._script(peer)
        except OSError:
            pass  # the guard hung up: what it thought of that is for the test to say
        except BaseException as failure:
            self._failures.append(failure)
        finally:
            peer.drop()
            self._peers.remove(peer)
            self.ended.set()
            self._threads.remove(threading.current_thread())


@dataclass
class ImapStore:
    """A script: a sound IMAP store, each of whose words a test may replace. Lines that carry `%t` get the tag."""

    capabilities: str = "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN"
    greeting: str = "* OK [CAPABILITY {capabilities}] ready"
    after: str = "IMAP4rev1 IDLE MOVE COMPRESS=DEFLATE"
    users: Mapping[str, str] = field(default_factory=lambda: {"ann@example.org": "secret"})
    masters: Mapping[str, str] = field(default_factory=dict)
    yes: str = "%t OK [CAPABILITY {after}] Logged in"
    no: str = "%t NO [AUTHENTICATIONFAILED] Authentication failed."
    before: bytes = b""  # sent before the tagged answer to a login
    behind: bytes = b""  # sent behind it, in the same segment
    starttls: str = "%t OK Begin TLS"
    behind_starttls: bytes = b""

    def __call__(self, peer: Peer) -> None:
        """Talk to one client until it leaves."""
        self._say(peer, self.greeting, "")
        while line := peer.line():
            tag, _, rest = line.decode("latin-1").partition(" ")
            command, _, argument = rest.partition(" ")
            match command.upper():
                case "CAPABILITY":
                    self._say(peer, "* CAPABILITY {capabilities}\r\n%t OK done", tag)
                case "ID":
                    self._say(peer, '* ID ("name" "store")\r\n%t OK ID completed.', tag)
                case "STARTTLS":
                    self._say(peer, self.starttls, tag, behind=self.behind_starttls)
                    peer.start_tls()
                case "AUTHENTICATE":
                    if self._answer(peer, tag, *self._plain(peer, argument)):
                        return self._session(peer)
                case "LOGIN":
                    if self._answer(peer, tag, "", *self._login(peer, argument)):
                        return self._session(peer)
                case "LOGOUT":
                    self._say(peer, "* BYE\r\n%t OK", tag)
                    return None
                case _:
                    self._say(peer, "%t BAD unknown", tag)
        return None

    def _answer(self, peer: Peer, tag: str, authzid: str, user: str, password: str) -> bool:
        if authzid and authzid != user:
            right = self.masters.get(user) == password and authzid in self.users
        else:
            right = self.users.get(user) == password
        peer.say(self.before + self._text(self.yes if right else self.no, tag) + b"\r\n" + self.behind)
        return right

    def _plain(self, peer: Peer, argument: str) -> tuple[str, str, str]:
        mechanism, _, response = argument.partition(" ")
        assert mechanism.upper() == "PLAIN"
        if not response:
            peer.say(b"+ \r\n")
            response = peer.line().decode()
        authzid, user, password = base64.b64decode(response).decode().split("\0")
        return authzid, user, password

    def _login(self, peer: Peer, argument: str) -> tuple[str, str]:
        words: list[str] = []
        while (match := re.fullmatch(r" ?\{(\d+)\}", argument)) is not None:
            peer.say(b"+ go on\r\n")
            words.append(peer.octets(int(match[1])).decode())
            argument = peer.line().decode() if len(words) < 2 else ""
        user, password = words
        peer.line()
        return user, password

    def _session(self, peer: Peer) -> None:
        while line := peer.line():
            tag, _, command = line.decode("latin-1").partition(" ")
            listed = "* CAPABILITY {after}\r\n" if command.upper() == "CAPABILITY" else ""
            self._say(peer, f"{listed}%t OK {command} done", tag)

    def _say(self, peer: Peer, text: str, tag: str, *, behind: bytes = b"") -> None:
        peer.say(self._text(text, tag) + b"\r\n" + behind)

    def _text(self, text: str, tag: str) -> bytes:
        filled = text.replace("{capabilities}", self.capabilities).replace("{after}", self.after)
        return filled.replace("%t", tag).encode("latin-1")


@dataclass
class SubmissionStore:
    """A script: a sound submission store that takes mail into `letters`, each of whose words a test may replace."""

    keywords: tuple[str, ...] = ("PIPELINING", "SIZE 52428800", "8BITMIME", "DSN", "CHUNKING", "AUTH PLAIN LOGIN")
    in_clear: tuple[str, ...] = ("PIPELINING", "SIZE 52428800", "STARTTLS")
    greeting: str = "220 store ESMTP"
    users: Mapping[str, str] = field(default_factory=lambda: {"ann@example.org": "secret"})
    masters: Mapping[str, str] = field(default_factory=dict)
    yes: str = "235 2.7.0 Authentication successful"
    no: str = "535 5.7.8 Authentication credentials invalid"
    behind: bytes = b""  # sent behind the answer to a login, in the same segment
    starttls: str = "220 2.0.0 Ready to start TLS"
    behind_starttls: bytes = b""
    clear: bool = False  # STARTTLS is expected first
    mail: str = "250 2.1.0 Ok"  # to MAIL before a login
    rcpt: str = "554 5.7.1 Relay access denied"  # to RCPT before a login
    letters: list[bytes] = field(default_factory=list)

    def __call__(self, peer: Peer) -> None:
        """Talk to one client until it leaves."""
        secured = not self.clear
        known = False
        peer.say(f"{self.greeting}\r\n".encode())
        while line := peer.line():
            verb, _, argument = line.decode("latin-1").partition(" ")
            match verb.upper():
                case "EHLO":
                    listed = ("store", *(self.keywords if secured else self.in_clear))
                    peer.say(_reply(250, listed))
                case "STARTTLS":
                    peer.say(f"{self.starttls}\r\n".encode() + self.behind_starttls)
                    peer.start_tls()
                    secured = True
                case "AUTH":
                    known = self._right(peer, argument)
                    peer.say(f"{self.yes if known else self.no}\r\n".encode() + self.behind)
                case "MAIL" if not known:
                    peer.say(f"{self.mail}\r\n".encode())
                case "RCPT" if not known:
                    peer.say(f"{self.rcpt}\r\n".encode())
                case "DATA":
                    peer.say(b"354 go on\r\n")
                    letter: list[bytes] = []
                    while (text := peer.line()) != b".":
                        letter.append(text)
                    self.letters.append(b"\r\n".join(letter))
                    peer.say(b"250 2.0.0 queued\r\n")
                case "QUIT":
                    peer.say(b"221 2.0.0 bye\r\n")
                    return
                case _:
                    peer.say(b"250 2.0.0 ok\r\n")
        return

    def _right(self, peer: Peer, argument: str) -> bool:
        mechanism, _, response = argument.partition(" ")
        assert mechanism.upper() == "PLAIN"
        if not response:
            peer.say(b"334 \r\n")
            response = peer.line().decode()
        authzid, user, password = base64.b64decode(response).decode().split("\0")
        if authzid and authzid != user:
            return self.masters.get(user) == password and authzid in self.users
        return self.users.get(user) == password


class Held:
    """A store that keeps one answer back, the one with `word` in it, until it is told."""

    def __init__(self, store: ImapStore, word: bytes) -> None:
        self._store = store
        self._word = word
        self.asked, self.go = threading.Event(), threading.Event()

    def __call__(self, peer: Peer) -> None:
        say = peer.say

        def held(data: bytes) -> bool:
            if self._word in data:
                self.asked.set()
                assert self.go.wait(_PATIENCE)
            return say(data)

        peer.say = held  # type: ignore[method-assign]
        self._store(peer)


def _reply(code: int, lines: tuple[str, ...]) -> bytes:
    *most, last = lines
    return "".join([*(f"{code}-{line}\r\n" for line in most), f"{code} {last}\r\n"]).encode()
