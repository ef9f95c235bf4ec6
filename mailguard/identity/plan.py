"""From what an identity source says about its users to what becomes of their accounts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.auth.accounts import SuspendedBy
from mailguard.identity.entry import Standing
from mailguard.store.rechecks import Change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailguard.auth.accounts import AccountName
    from mailguard.identity.entry import Seen
    from mailguard.store.rechecks import Known

FEW = 5
SHARE = 0.1

_WHY = {
    Standing.GONE: "the identity source no longer knows it",
    Standing.DISABLED: "the identity source has disabled it",
    Standing.ACTIVE: "the identity source knows it again",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, account by account, and the new marks by account id."""

    changes: tuple[Change, ...]
    marks: Mapping[str, str]
    suspends: tuple[AccountName, ...]
    resumes: tuple[AccountName, ...]
    suspicious: bool  # it would suspend very many at once, as a base that moved would

    def without_suspensions(self) -> tuple[Change, ...]:
        """The rest of it."""
        return tuple(change for change in self.changes if not change.suspend)


def plan(known: Sequence[Known], seen: Mapping[AccountName, Seen]) -> Plan:
    """What follows. An account that the source said nothing about stays as it is."""
    changes: list[Change] = []
    marks: dict[str, str] = {}
    suspends: list[AccountName] = []
    resumes: list[AccountName] = []
    for each in known:
        account, said = each.account, seen.get(each.account.name)
        if said is None:
            continue
        active = said.standing is Standing.ACTIVE
        change = Change(
            account.id,
            suspend=not active and not account.suspended,
            resume=active and account.suspended_by is SuspendedBy.SOURCE,
            password=bool(said.mark and each.mark and said.mark != each.mark),
            group=said.group if said.group != account.group else None,
            why=_WHY[said.standing],
        )
        marks[account.id] = said.mark or each.mark
        if change.suspend:
            suspends.append(account.name)
        if change.resume:
            resumes.append(account.name)
        if change.suspend or change.resume or change.password or change.group is not None:
            changes.append(change)
    still_open = sum(not each.account.suspended for each in known)
    suspicious = len(suspends) > FEW and len(suspends) > SHARE * still_open
    return Plan(tuple(changes), marks, tuple(suspends), tuple(resumes), suspicious)
