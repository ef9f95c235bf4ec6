"""The end of a string, read against the authenticators of an account: is it a code, and which password is left?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.auth import totp
from mailguard.auth.attempt import CodeReading, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailguard.auth.accounts import TotpDevice
    from mailguard.auth.credential import Offered
    from mailguard.config.choices import CodeWindow
    from mailguard.secret import Secret


def read_code(
    offered: Offered,
    devices: Sequence[TotpDevice],
    now: float,
    window: CodeWindow,
    *,
    passkeys: bool,
    compares: bool,
) -> tuple[CodeReading, Step | None, Secret]:
    """What it says, the step with CodeReading.RIGHT, and the password. `now`: UTC seconds. Without `compares` no code
    is looked at. `passkeys`: the account has some."""
    if not devices:
        return CodeReading.BARRED if passkeys else CodeReading.NONE, None, offered.string
    for device in devices if compares else ():
        split = offered.split(device.digits)
        step = totp.step_of(device, split[1], now, window) if split is not None else None
        if split is not None and step is not None:
            return CodeReading.RIGHT, Step(device, step), split[0]
    lengths = sorted({device.digits for device in devices})
    splits = [split for digits in lengths if (split := offered.split(digits)) is not None]
    if not splits:
        return CodeReading.MISSING, None, offered.string
    if not compares:
        return CodeReading.HELD, None, splits[0][0]
    return CodeReading.WRONG if len(splits) == 1 else CodeReading.AMBIGUOUS, None, splits[0][0]
