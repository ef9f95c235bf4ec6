"""Who makes a request of the API, and what each route says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Request

from mailguard.admin.acting import Acting
from mailguard.admin.bureau import Bureau
from mailguard.admin.gate import Act, takes
from mailguard.auth.accounts import AccountName
from mailguard.auth.names import MAX_OCTETS, NameRefused
from mailguard.store import Absent
from mailguard.web.house import House

CALLER = "mailguard.caller"  # where the door leaves it, in a request's scope


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that brought a key."""

    house: House
    acting: Acting

    @property
    def bureau(self) -> Bureau:
        """What it acts with."""
        return self.house.bureau

    def name(self, written: str) -> AccountName:
        """The one form of a name; Absent where no account can have it."""
        try:
            return self.bureau.canonical(written)
        except NameRefused as refused:
            raise Absent(f"this account name {refused}") from None


async def _caller(request: Request) -> Caller:
    caller = request.scope[CALLER]
    assert isinstance(caller, Caller)
    return caller


Program = Annotated[Caller, Depends(_caller)]
"""Whoever the door let in."""


async def _account(
    caller: Program,
    name: Annotated[str, Path(max_length=MAX_OCTETS, description="The account's name.", examples=["ann@example.org"])],
) -> AccountName:
    return caller.name(name)


Named = Annotated[AccountName, Depends(_account)]
"""The account that a path names."""

Id = Annotated[str, Path(max_length=64, description="Which one, as the list names it.", examples=["k7f3q2m9x4d8"])]


def needs(*acts: Act) -> dict[str, Any]:
    """For the description of a route: the scope that its key needs, and the roles of which one."""
    roles = frozenset.intersection(*(takes(act)[0] for act in acts))
    scopes = {scope for act in acts if (scope := takes(act)[1]) is not None}
    return {"x-scopes": sorted(scopes), "x-roles": sorted(roles)}
