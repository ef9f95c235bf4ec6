"""The authenticator app of the demo's account, for whoever has none at hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyotp

_PERIOD = 30
_BAR = 20


@dataclass(frozen=True, slots=True)
class Phone:
    """Shows what the app would show now."""

    password: str = field(repr=False)
    seed: str = field(repr=False)  # base32

    def code(self, now: float) -> str:
        """The code of this moment (RFC 6238)."""
        return pyotp.TOTP(self.seed).at(int(now))

    def countdown(self, now: float) -> str:
        """One line that is drawn anew every second: what to type, and for how long it holds."""
        left = self.left(now)
        full = -(-left * _BAR // _PERIOD)
        bar = "█" * full + "░" * (_BAR - full)
        return f"  Code {self.code(now)}   type {self.password}{self.code(now)}   {bar} {left:2} s"

    def announcement(self, now: float) -> str:
        """The same for an output that cannot be drawn anew: one line a code."""
        return f"  Code {self.code(now)}   type {self.password}{self.code(now)}   for {self.left(now)} s"

    @staticmethod
    def left(now: float) -> int:
        """Whole seconds until the next code."""
        return _PERIOD - int(now) % _PERIOD
