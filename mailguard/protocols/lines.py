"""Lines and literals out of a stream of bytes, with caps that bite before a line is complete."""

from __future__ import annotations

import re

from mailguard.protocols.events import ProtocolViolation

_HTTP = re.compile(rb"[A-Z]+ \S+ HTTP/|Host:", re.IGNORECASE)


class LineTooLong(ProtocolViolation):
    """More bytes than the cap and no line end among them."""


class BareNewline(ProtocolViolation):
    """A CR or LF on its own: where the line ends would be a matter of opinion, and commands could hide there."""


def looks_like_http(line: bytes) -> bool:
    """Is a browser made to speak to us (ALPACA, CVE-2021-3618)? TLS of Python does not refuse its ALPN."""
    return _HTTP.match(line) is not None


class Lines:
    """A buffer of input that gives up whole lines (CRLF only) and counted octets."""

    def __init__(self) -> None:
        self._held = bytearray()

    def __len__(self) -> int:
        return len(self._held)

    def feed(self, data: bytes) -> None:
        """Take in what was read."""
        self._held += data

    def peek(self, count: int) -> bytes:
        """The first octets held, at most `count`, left in place."""
        return bytes(self._held[:count])

    def line(self, limit: int) -> bytes | None:
        """The next line without its CRLF, None while it is incomplete.

        Raises LineTooLong as soon as more than `limit` octets are certain, BareNewline at the first CR or LF alone.
        """
        ends = [at for at in (self._held.find(b"\r"), self._held.find(b"\n")) if at >= 0]
        length = min(ends, default=len(self._held))
        if length > limit:
            raise LineTooLong("Line too long")
        match self._held[length : length + 2]:
            case b"" | b"\r":
                return None
            case b"\r\n":
                line = bytes(self._held[:length])
                del self._held[: length + 2]
                return line
            case _:
                raise BareNewline("Lines must end in CRLF")

    def octets(self, count: int) -> bytes | None:
        """Exactly `count` octets, None while fewer are held."""
        if len(self._held) < count:
            return None
        octets = bytes(self._held[:count])
        del self._held[:count]
        return octets

    def leftover(self) -> bytes:
        """All that is held, unparsed, given up."""
        octets = bytes(self._held)
        self._held.clear()
        return octets
