"""Lines of an IMAP store, taken apart by a grammar and never by search and replace (RFC 9051 §7, §9)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, unique
from functools import lru_cache

from mailguard.backends.failure import FailureKind

_STATUS = re.compile(rb"(OK|NO|BAD|BYE|PREAUTH)(?: (.*))?", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(rb"\[([A-Za-z0-9][A-Za-z0-9./_+-]*)(?: ([^\]]*))?\] ?", re.DOTALL)
_CAPABILITY = re.compile(rb"\* CAPABILITY (.*)", re.IGNORECASE | re.DOTALL)

# What a NO to a login means by its code (RFC 5530). No code, or a code for human eyes, is about the credential, as
# Gmail's `NO [ALERT] Invalid credentials`; every other code, known or not, is trouble that the user cannot mend by
# typing another password.
_CREDENTIAL = frozenset({b"", b"AUTHENTICATIONFAILED", b"AUTHORIZATIONFAILED", b"EXPIRED", b"ALERT", b"WEBALERT"})


@unique
class Word(Enum):
    """The first word of a status line."""

    OK = b"OK"
    NO = b"NO"
    BAD = b"BAD"
    BYE = b"BYE"
    PREAUTH = b"PREAUTH"


@dataclass(frozen=True, slots=True)
class Status:
    """`OK [CODE arguments] text`. The code is in upper case, b"" where there is none."""

    word: Word
    code: bytes
    arguments: bytes
    text: bytes

    @property
    def capabilities(self) -> bytes | None:
        """The list of a CAPABILITY code, as the store wrote it."""
        return self.arguments if self.code == b"CAPABILITY" and self.arguments.strip() else None


def status(line: bytes) -> Status | None:
    """A status line without its tag or `* `; None where it is none, `OKAY` for one."""
    match = _STATUS.fullmatch(line)
    if match is None:
        return None
    rest = match[2] or b""
    code = _CODE.match(rest)
    word = Word(match[1].upper())
    if code is None:
        return Status(word, b"", b"", rest)
    return Status(word, code[1].upper(), code[2] or b"", rest[code.end() :])


def untagged_status(line: bytes) -> Status | None:
    """`* OK …` and its kin; None for any other line."""
    return status(line[2:]) if line.startswith(b"* ") else None


def untagged_capabilities(line: bytes) -> bytes | None:
    """The list of a `* CAPABILITY …` line, as the store wrote it."""
    match = _CAPABILITY.fullmatch(line)
    return match[1] if match is not None and match[1].strip() else None


@lru_cache(maxsize=64)  # a store says the same to all, and that is some forty words
def names(capabilities: bytes) -> frozenset[str]:
    """A capability list as names in upper case."""
    return frozenset(capabilities.decode("ascii", "replace").upper().split())


def meaning_of_no(code: bytes) -> FailureKind:
    """Is a NO to a login about the credential, or about the store's own trouble?"""
    return FailureKind.REFUSED if code in _CREDENTIAL else FailureKind.TEMPORARY
