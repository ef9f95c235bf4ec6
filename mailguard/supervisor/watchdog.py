"""Who of the children still answers: one that hangs is ended alone, before the service manager ends them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BEATS: Final = 10  # signs of life of a child within the service manager's patience
LOOKS: Final = 4
SILENCES: Final = 2  # a child may be silent for half of it, so that its end and the next one fall within the whole


@dataclass(frozen=True, slots=True)
class Seen:
    """`silent`: children that hang. `alive`: does any answer?"""

    silent: frozenset[int]
    alive: bool


class Watchdog:
    """Children by process id, and when each was last heard. Times are seconds of a clock that never goes back."""

    def __init__(self, seconds: float, now: float) -> None:
        self.beat = seconds / BEATS
        self._pause = seconds / LOOKS
        self._patience = seconds / SILENCES
        self._heard: dict[int, float] = {}
        self.due = now

    def heard(self, pid: int, now: float) -> None:
        """It has given a sign of life; from the first one on it is expected to go on."""
        self._heard[pid] = now

    def forget(self, pid: int) -> None:
        """It is gone."""
        self._heard.pop(pid, None)

    def look(self, now: float) -> Seen:
        """Called at `due`, or later."""
        if now - self.due > self._patience:  # the machine stood still, and who stood still with us could not speak
            self._heard = dict.fromkeys(self._heard, now)
        self.due = now + self._pause
        silent = frozenset(pid for pid, at in self._heard.items() if now - at > self._patience)
        return Seen(silent, alive=len(silent) < len(self._heard))
