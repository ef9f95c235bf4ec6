"""A person who signed in, and what they may do with their own credentials: the gate below every page.

A mail client logs in to a mailbox; a person signs in to look after what opens it. The value made here is handed to
everything in `desk`, which refuses by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum, unique
from typing import TYPE_CHECKING

from mailguard.auth.attempt import Factor

if TYPE_CHECKING:
    from mailguard.auth.accounts import Account, AccountName
    from mailguard.auth.policy import Policy
    from mailguard.secret import Secret


FRESH_SECONDS = 300.0
"""How long after a sign-in its owner may change what lets them in: a browser that was left open must not."""


@unique
class Site(StrEnum):
    """Where a person signs in. It leads to no mailbox, so it is no MailProtocol."""

    PORTAL = "portal"


@unique
class Standing(Enum):
    """What a sign-in may do."""

    FULL = "full"  # everything: a factor was shown
    BYPASS = "bypass"  # app passwords until the bypass ends; nothing that binds or unbinds a factor
    ENROLS = "enrols"  # bind the first authenticator, nothing else


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A granted sign-in, committed to the record. Times are UTC seconds since 1970."""

    name: AccountName
    account_id: str
    standing: Standing
    factor: Factor
    device: str  # id of the passkey, or of the authenticator behind a code; else ""
    revision: int  # the revocation sequence its facts were read at
    at: float
    until: float | None = None  # the end of a bypass
    recovery_code: Secret | None = field(default=None, compare=False)  # in place of the one used; shown once
    session: str = field(default="", compare=False)  # id of the browser's session that uses it; "" before there is one

    def fresh(self, now: float) -> bool:
        """Whether it was made a moment ago. Not in the time to come either: a clock that was set back would keep it
        fresh for as long."""
        return abs(now - self.at) < FRESH_SECONDS


@dataclass(frozen=True, slots=True)
class Proven:
    """An account's own password, that has just proved right. Kept as long as the request that needs it."""

    account_id: str
    password: Secret


def standing_of(
    factor: Factor, account: Account | None, policy: Policy, *, enrolled: bool, may_enrol: bool, now: float
) -> Standing | None:
    """What a person may do who showed a right password and, by `factor`, what else. `may_enrol`: of a bypass.

    None: nothing at all, before an enrolment code is shown. The password alone binds no factor here.
    """
    match factor:
        case Factor.CODE | Factor.RECOVERY_CODE | Factor.PASSKEY:
            return Standing.FULL
        case Factor.BYPASS if not may_enrol:
            return Standing.BYPASS
        case Factor.BYPASS:
            return Standing.FULL if enrolled else Standing.ENROLS
        case Factor.ENROLMENT_CODE:
            return Standing.ENROLS
        case _:
            return None if policy.demands_claim(account, now) else Standing.ENROLS
