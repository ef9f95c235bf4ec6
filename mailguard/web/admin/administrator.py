"""Whoever comes to an administrator's page. Nobody else finds one there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends
from starlette.exceptions import HTTPException

from mailguard.admin import accounts, gate
from mailguard.admin.acting import Acting
from mailguard.admin.bureau import Bureau, NotAllowed
from mailguard.admin.gate import Act, Denial
from mailguard.auth.names import NameRefused
from mailguard.web import once
from mailguard.web.visit import Member, Visit

if TYPE_CHECKING:
    from mailguard.auth.accounts import Account, AccountName


@dataclass(frozen=True, slots=True)
class Official:
    """An administrator at these pages."""

    visit: Visit
    bureau: Bureau
    acting: Acting

    def may(self, act: str, account: Account | None) -> bool:
        """Whether a page offers them this act of the gate, by its name. The act itself asks again."""
        return gate.may(self.acting, Act[act], account) is None

    def demand(self, act: Act, account: Account | None) -> None:
        """NotAllowed, FreshNeeded: before somebody fills a form in for nothing."""
        if denial := gate.may(self.acting, act, account):
            raise NotAllowed(denial)
        self.bureau.demand_fresh(self.acting, act)

    def demand_role(self, act: Act) -> None:
        """NotAllowed where their role does nothing of the kind, whomever it is about."""
        if gate.may(self.acting, act, None) is Denial.ROLE:
            raise NotAllowed(Denial.ROLE)

    def name(self, typed: str) -> AccountName:
        """The account name in a page's address; no account can have another."""
        try:
            return self.bureau.canonical(typed)
        except NameRefused:
            raise HTTPException(404) from None

    def row_id(self, number: str) -> str | None:
        """The id of what the form with this number makes (web.once); None of a form that has none."""
        return once.row_id(self.visit, number) if number else None

    async def account(self, typed: str) -> Account:
        """The account that a page is about. NotAllowed, ChangeRefused as of accounts.get."""
        return await accounts.get(self.bureau, self.acting, self.name(typed))


async def _official(visit: Member) -> Official:
    if not visit.account.administrator:
        raise HTTPException(404)
    bureau = visit.house.bureau
    return Official(visit, bureau, await bureau.signed_in(visit.signed))


Administrator = Annotated[Official, Depends(_official)]
"""An administrator who signed in with a second factor of their own. To everybody else the page is not there."""
