"""Accounts."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints

from mailguard.admin.accounts import IMPORTED_MOST, PAGE
from mailguard.auth.accounts import AccountKind
from mailguard.auth.roles import Role
from mailguard.web.api.shapes.base import Shape, Size, Text, Wish, moment, moment_or_none

if TYPE_CHECKING:
    from mailguard.auth.accounts import Account
    from mailguard.store.search import Found, Line
    from mailguard.store.waiting import Guesses

Group = Annotated[Text, Field(description='A group of the policy; "" for none.', examples=["staff"])]
Name = Annotated[Text, Field(min_length=1, examples=["ann@example.org"])]


class AccountRow(Shape):
    """An account."""

    name: str = Field(examples=["ann@example.org"])
    id: str
    kind: AccountKind
    group: str
    role: Role
    role_limit: str = Field(description="What the role reaches: `domain:…`, `group:…`, or empty for everything.")
    suspended: bool
    suspended_by: str
    factor_required: bool = Field(description="Its factors were reset: the bare password stays refused on mail.")
    created: datetime

    @classmethod
    def of(cls, account: Account) -> AccountRow:
        """From its row."""
        return cls(
            name=account.name,
            id=account.id,
            kind=account.kind,
            group=account.group,
            role=account.role,
            role_limit=str(account.role_limit),
            suspended=account.suspended,
            suspended_by=account.suspended_by.value,
            factor_required=account.factor_required,
            created=moment(account.created_at),
        )


class AccountLine(Shape):
    """An account as a search shows it."""

    account: AccountRow
    factor: bool = Field(description="Has a second factor.")
    failing: bool = Field(description="A login was refused in the last day.")

    @classmethod
    def of(cls, line: Line) -> AccountLine:
        """From what was found."""
        return cls(account=AccountRow.of(line.account), factor=line.factor, failing=line.failing)


class AccountPage(Shape):
    """One page, by name."""

    items: list[AccountLine]
    total: int = Field(description="All that match.")
    after: str | None = Field(description="Asks for the next page; null on the last.")

    @classmethod
    def of(cls, found: Found) -> AccountPage:
        """From what was found."""
        return cls(items=[AccountLine.of(each) for each in found.lines], total=found.total, after=found.after)


class Guessed(Shape):
    """What was guessed at an account, and what waits for it."""

    wrong_in_a_row: int
    locked: bool = Field(description="Only unlocking helps.")
    waits_until: datetime | None
    waits_until_at_known_networks: datetime | None
    networks_waiting: int
    networks_waiting_until: datetime | None

    @classmethod
    def of(cls, guesses: Guesses) -> Guessed:
        """From the throttle's tallies."""
        return cls(
            wrong_in_a_row=guesses.in_a_row,
            locked=math.inf in (guesses.strangers, guesses.known),
            waits_until=_end(guesses.strangers),
            waits_until_at_known_networks=_end(guesses.known),
            networks_waiting=guesses.networks,
            networks_waiting_until=_end(guesses.longest),
        )


class SecondAddressRow(Shape):
    """Where the owner is told, beside the mailbox."""

    address: str
    told_from: datetime


class AccountDetail(Shape):
    """One account: its standing, factors and sessions."""

    account: AccountRow
    members: list[str] = Field(description="Who may hold app passwords of this shared mailbox.")
    member_of: list[str]
    authenticators: int
    authenticators_unconfirmed: int
    passkeys: int
    app_passwords: int = Field(description="Those that open something now.")
    sessions: int
    guesses: Guessed
    second_addresses: list[SecondAddressRow]


class Search(Wish):
    """What is looked for; what is left out may be anything."""

    text: Text = Field("", description="Part of the name.")
    group: Group | None = None
    no_factor: bool = Field(False, description="Only those without a second factor.")
    failing: bool = Field(False, description="Only those with a login refused in the last day.")
    suspended: bool = False
    privileged: bool = Field(False, description="Only those with a role.")
    people: bool = Field(False, description="No shared mailboxes, no services.")
    after: Text | None = Field(None, description="As the page before gave it.")
    size: Size = PAGE


class NewAccount(Wish):
    """A person's account before their first login."""

    name: Name
    group: Group = ""


class AccountChange(Wish):
    """Roles are given by people who signed in, never by keys."""

    group: Group


class ImportLine(Wish):
    """One of the list."""

    name: Annotated[Name, StringConstraints(pattern=r"^[^,#\s][^,]*$")]
    group: Annotated[Group, StringConstraints(pattern=r"^[^,]*$")] = ""


class Import(Wish):
    """Accounts to make. Whoever has one keeps it as it is."""

    accounts: list[ImportLine] = Field(min_length=1, max_length=IMPORTED_MOST)
    dry_run: bool = Field(False, description="Say what would be made, and make nothing.")


class ImportedNames(Shape):
    """What came of it."""

    added: list[str]
    there: list[str] = Field(description="Those that were accounts already.")


def _end(end: float | None) -> datetime | None:
    return None if end is None or math.isinf(end) else moment_or_none(end)
