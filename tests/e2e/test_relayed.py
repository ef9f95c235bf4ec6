"""After the login nothing is touched and nothing is kept: what clients do then, against real Dovecot and Postfix."""

from __future__ import annotations

import secrets
import socket
import ssl
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.clients import HOST, Door, Login, imap, smtp
from tests.e2e.guard import Guard
from tests.e2e.letters import compose
from tests.e2e.programs import status, workers


class Compressed:
    """A raw IMAP client that goes on in DEFLATE (RFC 4978)."""

    def __init__(self, door: Door, login: Login) -> None:
        plain = socket.create_connection((HOST, door.port), 30)
        self._socket: ssl.SSLSocket = door.context().wrap_socket(plain, server_hostname=HOST)
        self._pack: Callable[[bytes], bytes] = bytes
        self._unpack: Callable[[bytes], bytes] = bytes
        self._heard = b""
        self.until(b"\r\n")
        self.say(f'a LOGIN "{login.name}" "{login.password}"\r\n'.encode())
        self.capabilities = self.until(b"a OK ") + self.until(b"\r\n")

    def begin(self) -> None:
        """Compress from here on."""
        self.say(b"z COMPRESS DEFLATE\r\n")
        self.until(b"z OK")
        self.until(b"\r\n")
        deflate = zlib.compressobj(wbits=-15)
        self._pack = lambda data: deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
        self._unpack = zlib.decompressobj(-15).decompress

    def say(self, data: bytes) -> None:
        self._socket.sendall(self._pack(data))

    def until(self, end: bytes) -> bytes:
        while end not in self._heard:
            data = self._socket.recv(65536)
            assert data, f"closed after {self._heard[-200:]!r}"
            self._heard += self._unpack(data)
        before, found, self._heard = self._heard.partition(end)
        return before + found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def login(guard_own: Guard) -> Login:
    return guard_own.enrol().login()


@pytest.fixture
def compressed(guard_own: Guard, login: Login) -> Iterator[Compressed]:
    client = Compressed(guard_own.imap(), login)
    yield client
    client.close()


def test_compress_passes_untouched(compressed: Compressed) -> None:
    assert b"COMPRESS=DEFLATE" in compressed.capabilities  # the store's own list, after login only
    compressed.begin()
    letter = b"Subject: compressed\r\n\r\n" + secrets.token_hex(200_000).encode() + b"\r\n"
    compressed.say(b"b APPEND INBOX {%d+}\r\n%b\r\n" % (len(letter), letter))
    compressed.until(b"b OK")
    compressed.say(b"c SELECT INBOX\r\nd FETCH 1 BODY[]\r\n")
    compressed.until(b"{%d}\r\n" % len(letter))
    assert compressed.until(letter) == letter
    compressed.until(b"d OK")


def test_idle_hears_of_a_letter_at_once(guard_own: Guard, login: Login) -> None:
    with imap(guard_own.imap(), login) as waiting, imap(guard_own.imap(), login) as writing:
        waiting.select("INBOX")
        tag = waiting._new_tag()
        waiting.send(tag + b" IDLE\r\n")
        assert waiting.readline() == b"+ idling\r\n"
        writing.append("INBOX", "", "", b"Subject: news\r\n\r\nhello\r\n")
        assert waiting.readline() == b"* 1 EXISTS\r\n"
        waiting.send(b"DONE\r\n")
        while not (line := waiting.readline()).startswith(tag):
            assert line.startswith(b"* ")


def test_a_large_letter_in_a_literal_and_its_fetch(guard_own: Guard, login: Login) -> None:
    body = secrets.token_bytes(3_000_000).hex().encode()
    letter = b"Subject: large\r\n\r\n" + b"\r\n".join(body[i : i + 76] for i in range(0, len(body), 76)) + b"\r\n"
    with imap(guard_own.imap(), login) as client:
        client.append("INBOX", r"(\Seen)", "", letter)
        client.select("INBOX")
        _, found = client.fetch("1", "(BODY.PEEK[])")
        assert isinstance(found[0], tuple)
        assert found[0][1] == letter


def test_nothing_after_login_reopens_the_question_who_is_there(guard_own: Guard, login: Login) -> None:
    with imap(guard_own.imap(), login) as client:
        _, listed = client.capability()
        assert not {b"UNAUTHENTICATE", b"AUTH=PLAIN"} & set(listed[-1].split())
        for command in (b"UNAUTHENTICATE", b"LOGIN someone else", b"AUTHENTICATE PLAIN"):
            client.send(b"x " + command + b"\r\n")
            assert client.readline().startswith((b"x BAD", b"x NO"))


def test_fifty_megabytes_of_mail_pass_at_constant_memory(guard_own: Guard, login: Login) -> None:
    def memory(field: str) -> int:
        """KiB that the workers hold, or held at most."""
        return sum(int(status(Path(f"/proc/{pid}"), field).split()[0]) for pid in workers(guard_own))

    letter = compose(login.name, login.name, 38 * 1024 * 1024)
    assert len(letter.content) > 50 * 1024 * 1024
    with smtp(guard_own.submission(), login) as client:
        for pid in workers(guard_own):
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak counts from here
        before = memory("VmRSS")
        assert client.sendmail(letter.sender, [letter.recipient], letter.content) == {}
        assert memory("VmHWM") - before < 8 * 1024
