"""How far the clock behind a wrong code is from ours: said in the record, and read there again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailguard.auth import totp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailguard.auth.accounts import TotpDevice
    from mailguard.auth.credential import Offered

_SAID = "its code fits a clock {ahead:+d} s from ours"
_READ = re.compile(r"its code fits a clock ([+-]\d+) s from ours")


def of(devices: Iterable[TotpDevice], offered: Offered, now: float) -> int | None:
    """Seconds by which a clock that the offered code fits is ahead of ours; None where it fits none close by."""
    split = ((device, offered.split(device.digits)) for device in devices)
    found = (totp.drift_of(device, parts[1], now) for device, parts in split if parts is not None)
    return next((each for each in found if each is not None), None)


def said(ahead: int | None) -> str:
    """Seconds by which that clock is ahead, as the detail of a refusal; "" where it fits none close by."""
    return "" if ahead is None else _SAID.format(ahead=ahead)


def read(detail: str) -> int | None:
    """The same, from the detail of a row."""
    match = _READ.search(detail)
    return None if match is None else int(match[1])
