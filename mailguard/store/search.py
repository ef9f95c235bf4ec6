"""Accounts as they are looked for: a page at a time, by what an administrator wants to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, func, select, true

from mailguard.auth.accounts import AccountKind
from mailguard.auth.events import Event
from mailguard.auth.roles import Over
from mailguard.store import rows
from mailguard.store.factors import of_account
from mailguard.store.schema import accounts, audit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import ColumnElement, RowMapping, Select

    from mailguard.auth.accounts import Account, AccountName
    from mailguard.auth.roles import RoleLimit
    from mailguard.store.administration import Administration

FAILING_SECONDS = 24 * 3600.0
PIECE = 500  # names asked about in one statement

_c = accounts.c
_REFUSED = (Event.LOGIN_REFUSED.value, Event.SIGN_IN_REFUSED.value)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. "" and None: whatever it may be; True: only those."""

    text: str = ""  # part of the name
    group: str | None = None  # "": of no group
    no_factor: bool = False
    failing: bool = False  # a login was refused in the last day
    suspended: bool = False
    privileged: bool = False  # has a role
    people: bool = False  # no shared mailbox, no service


@dataclass(frozen=True, slots=True)
class Line:
    """An account, as a list shows it."""

    account: Account
    factor: bool
    failing: bool


@dataclass(frozen=True, slots=True)
class Found:
    """One page. `total` counts all that match; `after` asks for the next page, None on the last."""

    lines: tuple[Line, ...]
    total: int
    after: AccountName | None


def reached(limit: RoleLimit) -> ColumnElement[bool]:
    """The accounts that a role limit reaches (auth.roles.RoleLimit.reaches)."""
    match limit.over:
        case Over.EVERYTHING:
            return true()
        case Over.DOMAIN:
            return _c.name.endswith(f"@{limit.named}", autoescape=True)
        case Over.GROUP:
            return _c.policy_group == limit.named


class Search:
    """The accounts, as they are looked for."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def accounts(self, wanted: Wanted, limit: RoleLimit, *, after: AccountName | None, size: int) -> Found:
        """One page by name, of those that `limit` reaches."""
        now = self._by.now()
        query = select(accounts, of_account(_c.id).label("has_factor"), _failing(now).label("is_failing"))
        query = query.where(_which(wanted, limit, now), true() if after is None else _c.name > after)
        page = query.order_by(_c.name).limit(size + 1)
        found = await self._by.database.read(lambda connection: connection.execute(page).mappings().all())
        lines = tuple(self._line(row) for row in found[:size])
        total = await self.count(wanted, limit)
        return Found(lines, total, lines[-1].account.name if len(found) > size else None)

    async def count(self, wanted: Wanted, limit: RoleLimit) -> int:
        """How many match, of those that `limit` reaches."""
        query = select(func.count()).select_from(accounts).where(_which(wanted, limit, self._by.now()))
        return await self._by.database.read(lambda connection: int(connection.execute(query).scalar_one()))

    async def within(self, limit: RoleLimit, names: Collection[str]) -> frozenset[str]:
        """Those of these names whose accounts a limit reaches."""
        if limit.over is Over.EVERYTHING:
            return frozenset(names)
        found: set[str] = set()
        asked = sorted(names)
        for start in range(0, len(asked), PIECE):
            query = select(_c.name).where(reached(limit), _c.name.in_(asked[start : start + PIECE]))
            found.update(await self._names(query))
        return frozenset(found)

    async def _names(self, query: Select[tuple[str]]) -> frozenset[str]:
        return await self._by.database.read(lambda connection: frozenset(row.name for row in connection.execute(query)))

    def _line(self, row: RowMapping) -> Line:
        return Line(rows.account_of(self._by.seal, row).value, row["has_factor"], row["is_failing"])


def _failing(now: float) -> ColumnElement[bool]:
    # `at` is indexed beside the account; a row that stands for many began at most a day before the last of them.
    return exists().where(
        audit.c.account == _c.name,
        audit.c.at >= now - 2 * FAILING_SECONDS,
        audit.c.last_at >= now - FAILING_SECONDS,
        audit.c.event.in_(_REFUSED),
    )


def _which(wanted: Wanted, limit: RoleLimit, now: float) -> ColumnElement[bool]:
    return and_(reached(limit), *_asked(wanted, now))


def _asked(wanted: Wanted, now: float) -> Iterator[ColumnElement[bool]]:
    if wanted.text:
        yield _c.name.contains(wanted.text.strip().lower(), autoescape=True)
    if wanted.group is not None:
        yield _c.policy_group == wanted.group
    if wanted.no_factor:
        yield ~of_account(_c.id)
    if wanted.failing:
        yield _failing(now)
    if wanted.suspended:
        yield _c.suspended_by != ""
    if wanted.privileged:
        yield _c.role != ""
    if wanted.people:
        yield _c.kind == AccountKind.PERSON.value
