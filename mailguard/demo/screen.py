"""Where the demo goes on after its page: events scroll by, the current code counts down in the last line."""

from __future__ import annotations

from typing import TextIO

from mailguard.demo.phone import Phone
from mailguard.demo.watch import Watch

_ANEW = "\r\x1b[K"  # to the line's start, and clear it


class Screen:
    """Draws on a terminal; writes plain lines anywhere else."""

    def __init__(self, phone: Phone, watch: Watch, out: TextIO) -> None:
        self._phone = phone
        self._watch = watch
        self._out = out
        self._live = out.isatty()
        self._shown = ""

    async def draw(self, now: float) -> None:
        """Bring it up to date. Once a second is enough."""
        for event in await self._watch.news():
            self._out.write(f"{_ANEW if self._live else ''}{event}\n")
        if self._live:
            self._out.write(f"{_ANEW}{self._phone.countdown(now)}")
        elif (code := self._phone.code(now)) != self._shown:
            self._shown = code
            self._out.write(f"{self._phone.announcement(now)}\n")
        self._out.flush()

    def clear(self) -> None:
        """Take the line of the code away: it is not worth anything any more."""
        if self._live:
            self._out.write(_ANEW)
            self._out.flush()
