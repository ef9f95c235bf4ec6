"""What people do to their own credentials is done here, by the sign-in that let them in.

The gate lies in this room and not in the pages: each function takes the sign-in and refuses by what it may do. What was
revoked since, the records see in the transaction of the change itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.auth.attempt import Factor
from mailguard.auth.standing import Standing
from mailguard.store import ChangeRefused, FreshNeeded

if TYPE_CHECKING:
    from mailguard.auth.accounts import Account
    from mailguard.auth.attempt import MailProtocol
    from mailguard.auth.policy import Policies
    from mailguard.auth.ports import Beside, Clock
    from mailguard.auth.standing import SignedIn
    from mailguard.config import Policy
    from mailguard.keyring import Keyring
    from mailguard.store import Store

OWNER = "owner"
"""The actor in the record: the person whose account it is, signed in."""

_WHY = {
    Standing.ENROLS: "set up an authenticator first",
    Standing.BYPASS: "a bypass does not change what you sign in with: ask your administrator",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """What every change needs. A reload of the configuration makes a new one."""

    store: Store
    keyring: Keyring
    clock: Clock
    policies: Policies
    limits: Policy  # how many app passwords, and for how long
    own: frozenset[MailProtocol]  # whose legs to the store open with the user's own password
    beside: Beside
    issuer: str  # what authenticator apps show

    async def account(self, signed: SignedIn, *may: Standing, fresh: bool = False) -> Account:
        """The account of whoever signed in. ChangeRefused unless that sign-in may do this, now; FreshNeeded where it
        must be `fresh` and is older than five minutes. Whoever comes to bind the first factor has an hour for that."""
        if signed.standing not in may:
            raise ChangeRefused(_WHY.get(signed.standing, "you have an authenticator already"))
        if signed.until is not None and self.clock.now() >= signed.until:
            raise ChangeRefused("this sign-in has ended: sign in again")
        account = await self.store.accounts.get(signed.name)
        if account is None or account.id != signed.account_id or account.suspended:
            raise ChangeRefused("this sign-in has ended: sign in again")
        claim = self.policies.of(account).demands_claim(account, self.clock.now())
        if signed.standing is Standing.ENROLS and signed.factor is Factor.PASSWORD and claim:
            # It was allowed when they signed in.
            raise ChangeRefused("the password alone is not enough here: ask your administrator for an enrolment code")
        if fresh and signed.standing is Standing.FULL and not signed.fresh(self.clock.now()):
            raise FreshNeeded("this takes a sign-in of the last five minutes: sign in again")
        return account
