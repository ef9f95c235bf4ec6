"""An IMAP store at the other end of a transport in memory: for cutting its words at every octet."""

import asyncio
import re
from collections.abc import Callable, Iterable

from mailguard.backends.imap import ImapWire

Pieces = Callable[[bytes], list[bytes]]
_COMMAND = re.compile(rb"([A-P]+[0-9]+) [A-Z]+")


def whole(data: bytes) -> list[bytes]:
    return [data]


class MemoryStore(asyncio.Transport):
    """Says the first words of `script`, then the next for every write that it is sent; `%t` becomes the tag, and `%1`
    that of the first of two commands."""

    def __init__(self, wire: ImapWire, script: Iterable[bytes], pieces: Pieces = whole) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.reading = True
        self._wire = wire
        self._script = iter(script)
        self._pieces = pieces
        self._first = b""
        self._tag = b""
        self._closed = False
        self._arrived = asyncio.Event()
        wire.connection_made(self)
        self._speak()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        said = bytes(data)
        first, end, second = said.partition(b"\r\n")
        if second and (command := _COMMAND.match(first)) is not None:
            self._first = command[1]
            self.sent.append(first.replace(self._first + b" ", b"%1 ", 1) + end)
        line = second or said
        if (command := _COMMAND.match(line)) is not None:
            self._tag = command[1]
        self.sent.append(line.replace(self._tag + b" ", b"%t ", 1))
        self._speak()

    def abort(self) -> None:
        self._closed = True

    def is_closing(self) -> bool:
        return self._closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def lose(self) -> None:
        """The connection breaks."""
        self._closed = True
        self._wire.connection_lost(None)

    async def silent(self) -> None:
        """Wait until everything that was said has arrived."""
        await self._arrived.wait()

    def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        self._arrived.clear()
        for piece in self._pieces(next(self._script, b"").replace(b"%t", self._tag).replace(b"%1", self._first)):
            loop.call_soon(self._deliver, piece)
        loop.call_soon(self._arrived.set)

    def _deliver(self, piece: bytes) -> None:
        if not self._closed:
            self._wire.data_received(piece)
