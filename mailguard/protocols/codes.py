"""What a peer hears for each reason: one reply map a protocol, exhaustive.

Unknown user, wrong password, wrong or missing code and all that belongs with them are one reply, byte for byte.
Trouble of ours is never called an authentication failure: clients would ask for a new password.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import assert_never

from mailguard.auth.attempt import Reason

TEXT_MAX = 200  # octets of a text, URL included
URL_MAX = 90  # what the longest text leaves

BUSY = "The mail server is not available now, try again later"


@unique
class _Kind(Enum):
    FAILED = "failed"  # the credential is at fault, as far as the peer is told
    LATER = "later"  # the same credential may work later


@dataclass(frozen=True, slots=True)
class Say:
    """The words of refusals: where people find help, and whom they may ask.

    `help_url` is printable ASCII without spaces, at most 90 octets (ValueError otherwise), or empty. `support` is left
    out where it is not ASCII or does not fit: the page behind the URL shows it too.
    """

    help_url: str
    support: str = ""

    def __post_init__(self) -> None:
        sound = self.help_url.isascii() and self.help_url.isprintable() and " " not in self.help_url
        if not sound or len(self.help_url) > URL_MAX:
            raise ValueError(f"the URL of the help page must be ASCII without spaces, at most {URL_MAX} octets")

    def text(self, sentence: str) -> str:
        """The sentence, support if it fits, the URL last: clients make a link of what ends the line."""
        url = f": {self.help_url}" if self.help_url else ""
        support = f" (support: {self.support})" if self.support.isascii() and self.support.isprintable() else ""
        if not self.support or len(sentence + support + url) > TEXT_MAX:
            support = ""
        return sentence + support + url


def imap(reason: Reason, tag: bytes, say: Say) -> bytes:
    """The tagged line that ends a refused login.

    Nothing but [UNAVAILABLE] keeps Thunderbird from asking for a new password, and to K-9 any code but
    [AUTHENTICATIONFAILED] is no authentication failure: hence just these two. (RFC 5530 §3; RFC 9051 §7.1)
    """
    kind, text = _refusal(reason, say)
    code = "AUTHENTICATIONFAILED" if kind is _Kind.FAILED else "UNAVAILABLE"
    return b"%b NO [%b] %b\r\n" % (tag, code.encode(), text.encode())


def imap_alert(say: Say) -> bytes:
    """The untagged line that makes clients show the text: they hide it in the tagged one. (RFC 9051 §7.1)"""
    return b"* NO [ALERT] %b\r\n" % _failed(say).encode()


def submission(reason: Reason, say: Say) -> bytes:
    """The reply that ends a refused AUTH; K-9 knows no authentication failure but 535. (RFC 4954 §6)"""
    kind, text = _refusal(reason, say)
    code = "535 5.7.8" if kind is _Kind.FAILED else "454 4.7.0"
    return f"{code} {text}\r\n".encode()


def _failed(say: Say) -> str:
    return say.text("Sign-in failed. If two-step verification is on, use an app password or append your 6-digit code")


def _refusal(reason: Reason, say: Say) -> tuple[_Kind, str]:
    match reason:
        case (
            Reason.BAD_NAME
            | Reason.UNKNOWN_ACCOUNT
            | Reason.WRONG_PASSWORD
            | Reason.WRONG_REPEATED
            | Reason.CODE_MISSING
            | Reason.CODE_WRONG
            | Reason.CODE_REUSED
            | Reason.CODES_USED_UP
            | Reason.REPLAY
            | Reason.PASSKEY_ONLY
            | Reason.PASSKEY_WRONG
            | Reason.PASSKEY_CLONED
            | Reason.SUSPENDED
            | Reason.SECOND_FACTOR_REQUIRED
            | Reason.CODES_NOT_ALLOWED
            | Reason.NO_PASSWORD_HERE
            | Reason.APP_PASSWORD_OF_ANOTHER
            | Reason.REVOKED_IN_FLIGHT
        ):
            return _Kind.FAILED, _failed(say)
        # Said in the text, not by [EXPIRED]: K-9 hides what comes with any other code.
        case Reason.APP_PASSWORD_REVOKED:
            return _Kind.FAILED, say.text("This app password was revoked")
        case Reason.APP_PASSWORD_EXPIRED:
            return _Kind.FAILED, say.text("This app password has expired")
        case Reason.APP_PASSWORD_SCOPE:
            return _Kind.FAILED, say.text("This app password is not valid for this service or network")
        case Reason.APP_PASSWORD_NEEDS_VAULT:
            return _Kind.FAILED, say.text("This app password is too old for this mail store, make a new one")
        case Reason.VAULT_STALE:
            return _Kind.LATER, say.text("Your mail password has changed, sign in once with a code")
        case Reason.THROTTLED | Reason.LOCKED:
            return _Kind.LATER, "Too many attempts, try again later"
        case (
            Reason.BACKEND_UNAVAILABLE
            | Reason.IDENTITY_UNAVAILABLE
            | Reason.BACKEND_REFUSED
            | Reason.BACKEND_UNSAFE
            | Reason.RECORDS_UNAVAILABLE
            | Reason.CLOCK_UNTRUSTED
            | Reason.SHUTTING_DOWN
        ):
            return _Kind.LATER, BUSY
        case _:
            assert_never(reason)
