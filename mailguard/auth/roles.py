"""What an administrator is, and over whose accounts. What each may do: admin.gate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailguard.auth.accounts import Account

_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


@unique
class Role(StrEnum):
    """What somebody may do to other people's accounts. Whoever has one must have a second factor."""

    NONE = ""
    OWNER = "owner"
    HELPDESK = "helpdesk"
    AUDITOR = "auditor"


@unique
class Over(StrEnum):
    """What a role can be limited to."""

    EVERYTHING = ""
    DOMAIN = "domain"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class RoleLimit:
    """The accounts that a role reaches: all, those of one domain, or those of one group of the policy."""

    over: Over = Over.EVERYTHING
    named: str = ""

    @classmethod
    def parse(cls, written: str) -> RoleLimit:
        """From `domain:example.org`, `group:staff`, or "" for everything. ValueError says what to write instead."""
        if not written:
            return EVERYTHING
        over, _, named = written.partition(":")
        match over:
            case Over.DOMAIN if _DOMAIN.fullmatch(named.lower()):
                return cls(Over.DOMAIN, named.lower())  # as auth.names has it; other letters as an A-label (RFC 5891)
            case Over.GROUP if named.strip() == named != "":
                return cls(Over.GROUP, named)
        raise ValueError('must be domain:example.org or group:staff; "" for everything')

    def __str__(self) -> str:
        return f"{self.over}:{self.named}" if self.named else ""

    def reaches(self, account: Account) -> bool:
        """Is this account one of them?"""
        match self.over:
            case Over.EVERYTHING:
                return True
            case Over.DOMAIN:
                return account.name.partition("@")[2] == self.named
            case _:
                return account.group == self.named

    def within(self, other: RoleLimit) -> bool:
        """Does it reach no account that `other` does not? Of a domain and a group nobody can say so for ever."""
        return other.over is Over.EVERYTHING or self == other


EVERYTHING = RoleLimit()


@unique
class Scope(StrEnum):
    """What an API key is good for, within its role."""

    READ = "read"
    ISSUE = "issue"  # claim links, bypass and enrolment codes
    REVOKE = "revoke"
    ACCOUNTS = "accounts"
