"""SMTP replies out of a stream of bytes: capped before they are read, complete or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailguard.protocols.events import ProtocolViolation

_LINE = 2048  # octets with CRLF; RFC 5321 allows 512, real EHLO lines and help texts run longer
_LINES = 128  # a reply; the longest EHLO seen has some thirty
_TEXT = b"[^\\x00\\r\\n]{0,%d}+" % (_LINE - len("250 \r\n"))
_MORE = re.compile(b"(?:[2-5][0-9]{2}-%b\\r\\n){0,%d}" % (_TEXT, _LINES))  # a reply's lines but for the last
_LAST = re.compile(b"[2-5][0-9]{2}(?: %b)?\\r\\n" % _TEXT)


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """One whole reply: its code, the text of each line, and the bytes as they came."""

    code: int
    lines: tuple[bytes, ...]
    raw: bytes

    @property
    def text(self) -> bytes:
        """The lines as one, for the record."""
        return b" ".join((b"%d" % self.code, *self.lines))


class SmtpReplies:
    """Takes bytes, gives whole replies; memory and time are bounded by the caps (RFC 5321 §4.2, §4.5.3.1)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begun = 0  # where the line stands that is looked at: what is before it are lines of a reply begun

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._buffer += data

    def take(self) -> SmtpReply | None:
        """The next whole reply, or None until more bytes come. Raises ProtocolViolation; the stream is lost then."""
        more = _MORE.match(self._buffer, self._begun)
        assert more is not None  # it may be empty
        if more.end() > self._begun and self._buffer.count(b"\n", 0, more.end()) >= _LINES:
            raise ProtocolViolation("a reply without an end")
        self._begun = more.end()
        last = _LAST.match(self._buffer, self._begun)
        if last is None:
            self._doubt()
            return None
        raw = bytes(self._buffer[: last.end()])
        del self._buffer[: last.end()]
        self._begun = 0
        lines, code = raw[:-2].split(b"\r\n"), raw[:3]
        if not all(line.startswith(code) for line in lines):
            raise ProtocolViolation("lines of one reply with different codes")
        return SmtpReply(int(code), tuple(line[4:] for line in lines), raw)

    def leftover(self) -> bytes:
        """The bytes behind the last reply taken."""
        return bytes(self._buffer)

    def _doubt(self) -> None:
        """Is the line begun one that can still become a line of a reply? Raises ProtocolViolation."""
        end = self._buffer.find(b"\n", self._begun, self._begun + _LINE) + 1
        if end:
            bare = not self._buffer.endswith(b"\r\n", self._begun, end)
            raise ProtocolViolation("a line that ends in a bare LF" if bare else "not a line of a reply")
        if len(self._buffer) - self._begun >= _LINE:
            raise ProtocolViolation("an overlong line")
