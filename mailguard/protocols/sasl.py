"""SASL as a server steps through it: PLAIN and LOGIN, shared by all protocols. No I/O.

A protocol hands in base64 exactly as it came, without the line end, and gets a `Step`: a challenge to send, a
credential to ask the decision about, or a rejection to word in its own codes. (RFC 4422 §3; RFC 4616; RFC 4648 §4)
"""

from __future__ import annotations

from base64 import b64encode
from binascii import Error as NotBase64
from binascii import a2b_base64
from dataclasses import dataclass
from enum import Enum, unique
from typing import Protocol

from mailguard.auth.attempt import LoginAttempt
from mailguard.secret import Secret

RESPONSE_MAX = 12_288  # base64 characters of one response (RFC 4954 §4)


@unique
class Fault(Enum):
    """Why an exchange ended before the decision was asked."""

    CANCELLED = "cancelled"  # the client sent `*`
    BASE64 = "base64"
    TOO_LONG = "too-long"
    MESSAGE = "message"  # sound base64, but no credential in it: the peer hears the uniform failure


@dataclass(frozen=True, slots=True)
class Rejected:
    """The exchange is over, and nothing is to be asked."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Challenge:
    """What to send to the client, whose next line is the answer."""

    message: bytes

    @property
    def base64(self) -> bytes:
        """As it goes on the wire, behind `+ ` or `334 `: the space is sent even before nothing."""
        return b64encode(self.message)


Step = Challenge | LoginAttempt | Rejected


class Exchange(Protocol):
    """One authentication exchange, made anew for each attempt."""

    def begin(self, initial: bytes | None) -> Step:
        """Start; `initial` is the initial response, `=` where it is present and empty, None where there is none."""

    def answer(self, line: bytes) -> Step:
        """Go on with the client's line."""


def exchange(mechanism: bytes) -> Exchange | None:
    """A fresh exchange of the mechanism with this name, None if we do not speak it."""
    match mechanism.upper():
        case b"PLAIN":
            return Plain()
        case b"LOGIN":
            return Login()
        case _:
            return None


class Plain:
    """PLAIN: authzid NUL authcid NUL password in one message (RFC 4616 §2)."""

    def begin(self, initial: bytes | None) -> Step:
        """Read the initial response, or ask for the message."""
        return Challenge(b"") if initial is None else self._message(_initial(initial))

    def answer(self, line: bytes) -> Step:
        """Read the message."""
        return self._message(_response(line))

    def _message(self, message: bytes | Rejected) -> LoginAttempt | Rejected:
        if isinstance(message, Rejected):
            return message
        match message.split(b"\0"):
            # neomutt sends both equal; any other authzid asks to act for somebody else.
            case [authzid, authcid, password] if authzid in (b"", authcid):
                return credential(authcid, password, "PLAIN")
            case _:
                return Rejected(Fault.MESSAGE)


class Login:
    """LOGIN: two questions, older than SASL's rules and still in use (draft-murchison-sasl-login §2)."""

    def __init__(self) -> None:
        self._username: bytes | None = None

    def begin(self, initial: bytes | None) -> Step:
        """Take the user name from the initial response, or ask for it."""
        return Challenge(b"Username:") if initial is None else self._next(_initial(initial))

    def answer(self, line: bytes) -> Step:
        """Take the user name, then the password."""
        return self._next(_response(line))

    def _next(self, answer: bytes | Rejected) -> Step:
        if isinstance(answer, Rejected):
            return answer
        if self._username is not None:
            return credential(self._username, answer, "LOGIN")
        self._username = answer
        return Challenge(b"Password:")


def credential(username: bytes, password: bytes, mechanism: str) -> LoginAttempt | Rejected:
    """A login attempt from the bytes a client sent; a part that is empty or holds NUL makes none.

    The name is UTF-8 by the standards; older clients on Windows send cp1252. Bytes that are neither become U+FFFD,
    which no canonical name holds. The password stays as it came.
    """
    if not username or not password or b"\0" in username + password:
        return Rejected(Fault.MESSAGE)
    try:
        name = username.decode()
    except UnicodeDecodeError:
        name = username.decode("cp1252", "replace")
    return LoginAttempt(name, Secret(password), mechanism)


def _initial(text: bytes) -> bytes | Rejected:
    if text == b"=":
        return b""
    return _response(text) if text else Rejected(Fault.BASE64)  # an empty one is written `=` (RFC 4959 §3)


def _response(line: bytes) -> bytes | Rejected:
    if line == b"*":
        return Rejected(Fault.CANCELLED)
    if len(line) > RESPONSE_MAX:
        return Rejected(Fault.TOO_LONG)
    try:
        return a2b_base64(line, strict_mode=True)
    except NotBase64:
        return Rejected(Fault.BASE64)
