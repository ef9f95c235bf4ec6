"""An authenticator that exists already, from the `otpauth:` link of its seed (Key URI Format, by Google Authenticator).

The link holds the seed. What is refused is told without showing any of it.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from mailguard.auth.accounts import TotpDevice
from mailguard.auth.totp import ALGORITHMS, LENGTHS, USUAL_DIGITS
from mailguard.secret import Secret

LONGEST = 2048
LEAST_BITS = 112  # NIST SP 800-63B-4 3.1.4; RFC 4226 §4 R6 asks for 128
MOST_BITS = 1024
PERIOD = 30

_SPACING = re.compile(r"[\s\-]+")
_HASH = re.compile(r"(?:HMAC)?[-_]?SHA[-_]?(1|256|512)", re.IGNORECASE)


class LinkRefused(ValueError):
    """This link makes no authenticator here. The text finishes the sentence "this link …" and says what to do."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What a link says. `label` is its own name for the account, without the issuer; may be empty."""

    seed: Secret  # base32, upper case, padded
    digits: int
    algorithm: str
    label: str

    def device(self) -> TotpDevice:
        """As an authenticator of nobody yet: its codes can be computed."""
        return TotpDevice("", "", self.label, self.seed, self.digits, PERIOD, self.algorithm)


def read(typed: Secret) -> Imported:
    """Read a link: SHA-1, SHA-256 or SHA-512, six or eight digits, a step of 30 seconds. LinkRefused otherwise."""
    try:
        text = typed.reveal().decode("ascii").strip()
        link = urlsplit(text)
        asked = parse_qs(link.query, max_num_fields=16)
    except ValueError:
        raise LinkRefused("is no link of an authenticator; it begins with otpauth://totp/") from None
    if len(text) > LONGEST or link.scheme.lower() != "otpauth":
        raise LinkRefused("is no link of an authenticator; it begins with otpauth://totp/")
    if link.netloc.lower() != "totp":
        raise LinkRefused("is of codes that go by a counter (hotp); only codes that go by the clock (totp) are taken")
    if any(len(values) > 1 for values in asked.values()):
        raise LinkRefused("says one thing twice; export it again")
    said = {name.lower(): values[0] for name, values in asked.items()}
    return Imported(
        seed=_seed(said.get("secret", "")),
        digits=_digits(said.get("digits", str(USUAL_DIGITS)), said.get("period", str(PERIOD))),
        algorithm=_algorithm(said.get("algorithm", "SHA1")),
        label=unquote(link.path).lstrip("/").rpartition(":")[2].strip(),
    )


def _seed(written: str) -> Secret:
    bare = _SPACING.sub("", written).rstrip("=").upper()
    try:
        seed = base64.b32decode(bare + "=" * (-len(bare) % 8))
    except ValueError:  # also of a letter outside ASCII
        raise LinkRefused("holds no seed that can be read (secret=… in base32); export it again") from None
    bits = len(seed) * 8
    if bits < LEAST_BITS:
        raise LinkRefused(
            f"holds a seed of {bits} bits, and at least {LEAST_BITS} are demanded: "
            "that authenticator cannot be kept, enrol a new one"
        )
    if bits > MOST_BITS:
        raise LinkRefused(f"holds a seed of {bits} bits; at most {MOST_BITS} are taken, enrol a new one")
    return Secret(base64.b32encode(seed))


def _digits(digits: str, period: str) -> int:
    if digits not in map(str, LENGTHS):
        raise LinkRefused("asks for codes that have neither six nor eight digits; enrol a new one")
    if period != str(PERIOD):
        raise LinkRefused(f"asks for codes that do not change every {PERIOD} seconds; enrol a new one")
    return int(digits)


def _algorithm(written: str) -> str:
    found = _HASH.fullmatch(written)
    if found is None:
        raise LinkRefused(f"asks for an algorithm that is none of {', '.join(ALGORITHMS)}; enrol a new one")
    return f"SHA{found[1]}"
