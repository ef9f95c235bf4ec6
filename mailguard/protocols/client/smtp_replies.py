"""SMTP replies out of a stream of bytes: capped before they are read, complete or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailguard.protocols.events import ProtocolViolation

_LINE = 2048  # octets with CRLF; RFC 5321 allows 512, real EHLO lines and help texts run longer
_LINES = 128  # a reply; the longest EHLO seen has some thirty
_SHAPE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\x00\r\n]*))?")


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
        self._scanned = 0  # octets of the buffer that are whole lines of a reply begun
        self._code = b""
        self._lines: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._buffer += data

    def take(self) -> SmtpReply | None:
        """The next whole reply, or None until more bytes come. Raises ProtocolViolation; the stream is lost then."""
        while (line := self._line()) is not None:
            match = _SHAPE.fullmatch(line)
            if match is None:
                raise ProtocolViolation("not a line of a reply")
            code, mark, text = match.groups(b"")
            if self._lines and code != self._code:
                raise ProtocolViolation("lines of one reply with different codes")
            self._code = code
            self._lines.append(text)
            if mark != b"-":
                reply = SmtpReply(int(code), tuple(self._lines), bytes(self._buffer[: self._scanned]))
                del self._buffer[: self._scanned]
                self._lines.clear()
                self._scanned = 0
                return reply
            if len(self._lines) >= _LINES:
                raise ProtocolViolation("a reply without an end")
        return None

    def leftover(self) -> bytes:
        """The bytes behind the last reply taken."""
        return bytes(self._buffer)

    def _line(self) -> bytes | None:
        begun = self._scanned
        end = self._buffer.find(b"\n", begun, begun + _LINE)
        if end < 0:
            if len(self._buffer) - begun >= _LINE:
                raise ProtocolViolation("an overlong line")
            return None
        self._scanned = end + 1
        line = bytes(self._buffer[begun : self._scanned])
        if not line.endswith(b"\r\n"):
            raise ProtocolViolation("a line that ends in a bare LF")
        return line[:-2]
