"""One line that says what is being done and how long it will still take."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

WIDTH = 78


class Progress:
    """Written over itself on a terminal, a line for each step elsewhere. On stderr: the table goes to stdout."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._done = 0.0
        self._whole = 0.0

    def plan(self, whole: float) -> None:
        """So much there is to do, a step of weight 1 being 1."""
        self._began, self._done, self._whole = time.monotonic(), 0.0, whole

    @contextlib.contextmanager
    def step(self, what: str, weight: float = 1.0) -> Iterator[None]:
        """Say what is begun."""
        self.say(f"{what}{self._left()}")
        yield
        self._done += weight
        self._whole += weight - 1.0

    def say(self, what: str) -> None:
        """Say it in the place of what was said last."""
        if sys.stderr.isatty():
            print(f"\r{what:{WIDTH}.{WIDTH}}", end="", file=sys.stderr, flush=True)
        else:
            print(what, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave a clean line."""
        if sys.stderr.isatty():
            print(f"\r{'':{WIDTH}}\r", end="", file=sys.stderr, flush=True)

    def _left(self) -> str:
        if not self._done:
            return ""
        seconds = (time.monotonic() - self._began) / self._done * (self._whole - self._done)
        return f"; about {max(seconds, 1):.0f} s left"
