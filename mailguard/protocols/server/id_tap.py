"""Reading along for the one thing a relay is asked to know: what the client calls itself."""

from __future__ import annotations

from collections.abc import Generator

from mailguard.auth.attempt import Client
from mailguard.protocols.events import ProtocolViolation
from mailguard.protocols.lines import Lines
from mailguard.protocols.server.imap_grammar import client_of, command, literal_at_end

READ_MAX = 4096  # octets from the client; those that send ID do so among their first commands


class IdTap:
    """Looks for one ID command in the first 4 KiB that a client sends after login.

    Clients name themselves only then. The tap sees copies and has no say; on what it does not understand it gives up.
    What it finds may be a lie, so `client` proves nothing. (RFC 2971 §3.1; RFC 4978 ends the clear text)
    """

    def __init__(self) -> None:
        self.client = Client()
        self._lines = Lines()
        self._room = READ_MAX
        self._reading = self._read()

    def feed(self, data: bytes) -> bool:
        """Read on; True: there is nothing more to learn, do not call again."""
        self._lines.feed(data[: self._room])
        self._room = max(0, self._room - len(data))
        try:
            next(self._reading)
        except (StopIteration, ProtocolViolation):
            self._lines.leftover()
            return True
        return self._room == 0

    def _read(self) -> Generator[None, None, None]:
        """Go through the commands, pausing wherever more bytes are needed."""
        while True:
            said, text = command((yield from self._line()))
            match said.verb:
                case b"ID":
                    while (literal := said.arguments.add(text)) is not None:
                        said.arguments.literal((yield from self._octets(literal.size)))
                        text = yield from self._line()
                    self.client = client_of(said.arguments.words)
                    return
                case b"COMPRESS":
                    return
                case _:  # its literals may hold anything, a line that looks like ID included
                    while (literal := literal_at_end(text)) is not None:
                        yield from self._octets(literal.size)
                        text = yield from self._line()

    def _line(self) -> Generator[None, None, bytes]:
        while (line := self._lines.line(READ_MAX)) is None:
            yield
        return line

    def _octets(self, count: int) -> Generator[None, None, bytes]:
        while (octets := self._lines.octets(count)) is None:
            yield
        return octets
