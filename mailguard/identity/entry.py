"""What an entry of a directory says about its user: may they come in, and when did their password last change.

Directories agree on few names. Each attribute here is one product's; those that an entry does not carry say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mailguard.auth.accounts import AccountName

PASSWORD_CHANGED = ("pwdChangedTime", "pwdLastSet", "krbLastPwdChange", "sambaPwdLastSet", "shadowLastChange")
"""OpenLDAP's ppolicy · Active Directory · FreeIPA · Samba 3 · RFC 2307; the first that an entry carries counts."""

DISABLING = (
    "userAccountControl",
    "accountExpires",
    "nsAccountLock",
    "pwdAccountLockedTime",
    "loginDisabled",
    "shadowExpire",
)
MEMBER_OF = "memberOf"
MAIL = "mail"

_AD_DISABLED = 0x2  # ADS_UF_ACCOUNTDISABLE
_AD_NEVER = (0, 0x7FFFFFFFFFFFFFFF)
_AD_EPOCH = 11_644_473_600  # seconds from 1601 to 1970
_LOCKED_BY_ADMINISTRATOR = "000001010000Z"  # any other time is a lock against guessing, which lifts by itself


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its DN, and the attributes that were asked for, their names in lower case."""

    dn: str
    attributes: Mapping[str, Sequence[str]]

    def first(self, attribute: str) -> str:
        """The first value of an attribute, or the empty string."""
        return next(iter(self.attributes.get(attribute.lower(), ())), "")


class DirectoryTrouble(Exception):
    """No answer, or none that can be trusted. The text is for operators and holds no secret."""


class Observer(Protocol):
    """An identity source that can tell how its users stand."""

    async def observe(self, names: Iterable[AccountName]) -> Mapping[AccountName, Seen]:
        """What it says about each; a name that it cannot tell one user by is left out.

        Raises DirectoryTrouble unless all of them could be looked at.
        """


@unique
class Standing(Enum):
    """What the source says about a user."""

    ACTIVE = "active"
    DISABLED = "disabled"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the source said about one user when it was last asked."""

    standing: Standing
    mark: str = ""  # of the last change of the password; "" where the source does not tell
    group: str | None = None  # the policy group; None where the source does not tell


def disabled(entry: Entry, now: float) -> bool:
    """Has an administrator of the directory closed this account, or has its time run out? `now`: UTC seconds."""
    control, expires = _number(entry.first("userAccountControl")), _number(entry.first("accountExpires"))
    if control is not None and control & _AD_DISABLED:
        return True
    if expires is not None and expires not in _AD_NEVER and expires / 10_000_000 - _AD_EPOCH <= now:
        return True
    if any(entry.first(name).casefold() == "true" for name in ("nsAccountLock", "loginDisabled")):
        return True
    days = _number(entry.first("shadowExpire"))
    if days is not None and days > 0 and days * 86400 <= now:
        return True
    return entry.first("pwdAccountLockedTime") == _LOCKED_BY_ADMINISTRATOR


def known_as(entry: Entry, name: str) -> bool:
    """Is this the one address of the entry? One that carries none says nothing against it."""
    return {address.casefold() for address in entry.attributes.get(MAIL, ())} <= {name}


def mark(entry: Entry) -> str:
    """What changes whenever the password does."""
    return next((f"{name} {entry.first(name)}" for name in PASSWORD_CHANGED if entry.first(name)), "")


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
