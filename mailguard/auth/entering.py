"""What a person's sign-in needs of the records, beside what logins need (auth.ports)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mailguard.auth.accounts import Account, AccountName, OneTimeCode
    from mailguard.auth.attempt import Factor, Step
    from mailguard.auth.passkeys import Answerable, PasskeyUse
    from mailguard.auth.ports import AuditRow, Lost, Place, Stake
    from mailguard.secret import Secret


@dataclass(frozen=True, slots=True)
class Entering:
    """A granted sign-in of a person, to be committed in one transaction."""

    name: AccountName
    account_id: str | None  # None: create the account, its first right password has come
    group: str  # the policy group of an account that this creates
    factor: Factor
    enrolled: bool  # it had a factor when it was decided
    step: Step | None  # with Factor.CODE
    passkey: PasskeyUse | None  # with Factor.PASSKEY
    code: OneTimeCode | None  # burned
    instead: bytes  # hash of the recovery code in place of the one that is burned; else empty
    revision: int
    place: Place | None  # known from now on as one where this name was granted
    audit: AuditRow  # event SIGN_IN_GRANTED
    stake: Stake  # refunded
    store_password: Secret | None  # has just proved right: sealed anew to the account's app passwords


class SignInRecords(Protocol):
    """The records, as a sign-in uses them beside the ledger. Every method may raise StoreUnavailable."""

    async def codes(self, account: Account | None, now: float) -> Sequence[OneTimeCode]:
        """The one-time codes that an account may use now; none of an account that is not there."""

    async def passkeys(self, account: Account | None, challenge: bytes, now: float) -> Answerable:
        """The passkeys of an account, none of one that is not there; and whether the challenge was answered before."""

    async def enter(self, entering: Entering) -> str | Lost:
        """Consume, burn, refund, reseal and record in one transaction, or nothing of it; the account's id."""

    async def right(self, stake: Stake) -> None:
        """A password proved right that opens nothing by itself: its stake is refunded."""
