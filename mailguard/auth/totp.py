"""Codes of an authenticator app: code → time step, or None (RFC 6238, by pyotp)."""

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyotp

from mailguard.auth.accounts import AccountName, TotpDevice
from mailguard.config.choices import CodeWindow
from mailguard.secret import Secret

ALGORITHMS: dict[str, Callable[..., Any]] = {
    "SHA1": hashlib.sha1,
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
}
USUAL_DIGITS = 6
LENGTHS = (6, 8)  # digits of a code
DRIFT_STEPS = 20  # how far off a clock is still recognised

_ASCII_DIGITS = re.compile(r"[0-9]+")


_OFFSETS = {CodeWindow.NONE: (0,), CodeWindow.PREVIOUS: (0, -1), CodeWindow.BOTH: (0, -1, 1)}


def step_of(device: TotpDevice, code: str, now: float, window: CodeWindow) -> int | None:
    """The step that `code` belongs to, or None. Whether it was used before is the ledger's question.

    pyotp folds full-width digits to ASCII before it compares; they are refused here, since two spellings of one
    string would be two strings to the throttle and to grants.
    """
    if len(code) != device.digits or not _ASCII_DIGITS.fullmatch(code):
        return None
    totp = _totp(device)
    current = int(now) // device.period
    found = None
    for offset in _OFFSETS[window]:  # all of them, whichever fits: the time taken does not tell which
        step = current + offset
        if totp.verify(code, for_time=datetime.fromtimestamp(step * device.period, UTC)):
            found = step if found is None else found
    return found


def drift_of(device: TotpDevice, code: str, now: float) -> int | None:
    """Seconds by which the clock that made a wrong code is ahead of ours, where it fits a step close by; else None.

    For the record alone: it says which clock to look at. Such a code opens nothing.
    """
    totp, found = _totp(device), None
    for offset in sorted(range(-DRIFT_STEPS, DRIFT_STEPS + 1), key=abs):
        moment = (int(now) // device.period + offset) * device.period
        if totp.verify(code, for_time=datetime.fromtimestamp(moment, UTC)):
            found = offset * device.period if found is None else found
    return found


def new_seed() -> Secret:
    """160 bits from the system's generator, in base32 (RFC 4226 §4, R6)."""
    return Secret(pyotp.random_base32(32).encode())


def alike(one: TotpDevice, other: TotpDevice) -> bool:
    """Do both show the same codes, or one the end of the other's? One code would then count twice.

    Asked of the HMAC rather than of the seed: seeds that differ by zeros at their end are one key to it.
    """
    if one.algorithm != other.algorithm:
        return False
    first, second = (hmac.digest(_totp(each).byte_secret(), b"", each.algorithm) for each in (one, other))
    return hmac.compare_digest(first, second)


def provisioning_uri(device: TotpDevice, account: AccountName, issuer: str) -> str:
    """The `otpauth:` link that an authenticator app scans. It holds the seed: show it once, log it never."""
    return _totp(device).provisioning_uri(name=account, issuer_name=issuer)


def _totp(device: TotpDevice) -> pyotp.TOTP:
    return pyotp.TOTP(
        device.seed.reveal().decode(),
        digits=device.digits,
        digest=ALGORITHMS[device.algorithm],
        interval=device.period,
    )
