"""Who would be locked out if two-factor were enforced today, by which client."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum, unique
from ipaddress import ip_address
from typing import TYPE_CHECKING

from mailguard.auth.accounts import Account, AccountKind, AccountName, AppPassword
from mailguard.auth.policy import Bare
from mailguard.config.choices import TwoFactor

if TYPE_CHECKING:
    from mailguard.admin.acting import Acting
    from mailguard.admin.bureau import Bureau
    from mailguard.store.watched import Seen


@unique
class Outcome(StrEnum):
    """What would become of somebody without a factor."""

    LOCKED_OUT = "locked out"
    TRUSTED = "trusted network"
    MARKED = "app password"  # that an operator handed out goes on working


@dataclass(frozen=True, slots=True)
class Unready:
    """Somebody without a factor, and how they get in today: the logins of one place, or an app password handed out."""

    account: Account
    outcome: Outcome
    seen: Seen | None = None
    handed_out: AppPassword | None = None


async def unready(bureau: Bureau, acting: Acting, since: float, group: str = "") -> tuple[Unready, ...]:
    """As the record shows it since then (UTC seconds), within the limit of whoever looks; of one group where named."""
    current, watched = await bureau.reads(acting), bureau.store.watched
    people = [
        account
        for account in await watched.without_factor()
        if account.kind is AccountKind.PERSON
        and not account.suspended
        and current.limit.reaches(account)
        and (not group or account.group == group)
    ]
    by_name, by_id = {each.name: each for each in people}, {each.id: each for each in people}
    logins = [each for each in await watched.since(since) if each.place.account in by_name]
    handed = [each for each in await watched.handed_out() if each.account_id in by_id]
    return (
        *(_login(bureau, by_name[AccountName(each.place.account)], each) for each in logins),
        *(Unready(by_id[each.account_id], Outcome.MARKED, handed_out=each) for each in handed),
    )


def _login(bureau: Bureau, account: Account, seen: Seen) -> Unready:
    enforced = replace(bureau.policies.of(account), two_factor=TwoFactor.ENFORCE, enforce_from=None)
    trusted = enforced.bare(account, ip_address(seen.place.address), bureau.now()) is Bare.TRUSTED
    return Unready(account, Outcome.TRUSTED if trusted else Outcome.LOCKED_OUT, seen=seen)
