"""What a submission client says before login: whole lines, ended by CRLF alone, capped.

`CommandReader` stands in for the stream reader under aiosmtpd's command loop, so that the loop sees nothing but sound
lines that may be said now. It would log any other line, echo its verb, or lose its first half (and what is lost or
mistyped may hold a password). Whatever is wrong leaves here as one of three exceptions. (RFC 5321 §2.3.8, §4.5.3.1.4;
RFC 4954 §4)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import SupportsIndex

from mailguard.protocols.lines import looks_like_http

COMMAND_MAX = 512  # octets of a command line, CRLF included
AUTH_MAX = 12_288  # of an AUTH line or an answer to a challenge
INPUT_LIMIT = 24 * 1024  # the reader pauses the transport above twice this, so that one more receive makes 64 KiB
SWALLOW_MAX = 64 * 1024  # of a line that is too long anyway


class Complaint(Exception):
    """What the client said is refused by this reply; the conversation goes on."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


class Farewell(Complaint):
    """This reply is the last one. `why` is for the record."""

    def __init__(self, reply: str, why: str) -> None:
        super().__init__(reply)
        self.why = why


class HangUp(BaseException):
    """Close without a further word. Past every `except` of aiosmtpd's, which would answer, log or close by itself."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class CommandReader(asyncio.StreamReader):
    """The client's lines. `admit` sees each command line first and may raise a Complaint; it may be exchanged."""

    def __init__(self, admit: Callable[[bytes], None], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=INPUT_LIMIT, loop=loop)
        self.admit = admit
        self.deaf = False

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """What the transport received."""
        if not self.deaf:
            super().feed_data(data)

    async def readuntil(self, separator: object = b"\n") -> bytes:
        """One command line with its CRLF: what aiosmtpd's command loop asks for."""
        line = await self._line()
        if looks_like_http(line):
            raise HangUp("spoke HTTP")
        if len(line) > (AUTH_MAX if line[:5].upper() == b"AUTH " else COMMAND_MAX):
            raise Complaint("500 5.5.6 Line too long")
        self.admit(line[:-2])
        return line

    async def response(self) -> bytes:
        """One answer to a SASL challenge, without its CRLF."""
        line = await self._line()
        if len(line) > AUTH_MAX:
            raise Complaint("500 5.5.6 Line too long")
        return line[:-2]

    def leftover(self) -> bytes:
        """Everything behind the last line, unparsed and in order. The reader is empty afterwards."""
        held = bytes(self._buffer)  # type: ignore[attr-defined]
        self._buffer.clear()  # type: ignore[attr-defined]
        return held

    def discard(self) -> None:
        """Take no more input but let it flow: left unread, it would turn our close into a reset."""
        self.deaf = True
        self._buffer.clear()  # type: ignore[attr-defined]
        self._maybe_resume_transport()  # type: ignore[attr-defined]

    def follow(self, transport: asyncio.Transport) -> None:
        """From now on pause and resume this transport."""
        self._transport = transport

    async def _line(self) -> bytes:
        """Any line; one that is too long for the buffer is swallowed to its end, without a second opinion on where."""
        line, swallowed, bare = b"", 0, False
        try:
            while swallowed <= SWALLOW_MAX:
                try:
                    line += await super().readuntil(b"\n")
                    break
                except asyncio.LimitOverrunError as error:
                    piece = line + await self.read(error.consumed)
                bare = bare or b"\r" in piece[:-1]
                line, swallowed = piece[-1:], swallowed + len(piece) - 1  # the last may be the CR of its CRLF
        except (asyncio.IncompleteReadError, OSError):
            raise HangUp("the client left") from None
        if swallowed + len(line) > SWALLOW_MAX:
            raise Farewell("500 5.5.6 Line too long", "sent a line without end")
        # A lone CR or LF is where two servers disagree on where a command ends, and commands hide (SMTP smuggling).
        if bare or not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise Farewell("500 5.5.2 Lines end in CRLF, nothing else does", "sent a bare CR or LF")
        if swallowed:
            raise Complaint("500 5.5.6 Line too long")
        return line
