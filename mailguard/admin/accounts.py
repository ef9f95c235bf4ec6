"""Accounts, as administrators find, make, change and close them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailguard.admin.bureau import named, nobody
from mailguard.admin.gate import Act
from mailguard.auth.accounts import Account, AccountKind
from mailguard.auth.names import NameRefused
from mailguard.auth.roles import EVERYTHING, Role, RoleLimit
from mailguard.store import ChangeRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mailguard.admin.acting import Acting
    from mailguard.admin.bureau import Bureau
    from mailguard.auth.accounts import AccountName
    from mailguard.store.search import Found, Wanted
    from mailguard.store.waiting import Guesses

PAGE = 50
IMPORTED_MOST = 5000  # lines of one import: one transaction each


@dataclass(frozen=True, slots=True)
class Imported:
    """The names that are accounts now, and those that were before and stay as they were."""

    added: tuple[AccountName, ...]
    there: tuple[AccountName, ...]


class ListRefused(ChangeRefused):
    """`lines` says of each line that cannot be why; nothing was made."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        more = f"; and {len(lines) - 1} more lines" if len(lines) > 1 else ""
        super().__init__(f"{lines[0]}{more}")
        self.lines = lines


async def search(
    bureau: Bureau, acting: Acting, wanted: Wanted, *, after: AccountName | None = None, size: int = PAGE
) -> Found:
    """One page of the accounts that match, by name, within the limit of whoever looks. `after`: the last name of the
    page before."""
    current = await bureau.reads(acting)
    return await bureau.store.search.accounts(wanted, current.limit, after=after, size=size)


async def get(bureau: Bureau, acting: Acting, name: AccountName) -> Account:
    """One account."""
    return await bureau.reads_of(acting, name)


async def guesses(bureau: Bureau, acting: Acting, name: AccountName) -> Guesses:
    """How much was guessed at an account, and what waits for it."""
    await bureau.reads_of(acting, name)
    return await bureau.store.accounts.guesses(name)


async def add(
    bureau: Bureau,
    acting: Acting,
    name: AccountName,
    *,
    group: str = "",
    role: Role = Role.NONE,
    role_limit: RoleLimit = EVERYTHING,
    kind: AccountKind = AccountKind.PERSON,
) -> Account:
    """A new account, of one kind for ever."""
    _demand_group(bureau, group)
    asked = replace(nobody(name), kind=kind, group=group)
    return await bureau.do(
        acting,
        Act.ADD if role is Role.NONE else (Act.ADD, Act.SET_ROLE),
        lambda by, connection: by.find(connection, name) or asked,
        lambda changes: changes.accounts.add(
            name, actor=acting.actor, group=group, role=role, role_limit=role_limit, kind=kind
        ),
        becomes=lambda old: replace(old, group=group, role=role, role_limit=role_limit),
    )


async def change(
    bureau: Bureau,
    acting: Acting,
    name: AccountName,
    *,
    group: str | None = None,
    role: Role | None = None,
    role_limit: RoleLimit | None = None,
) -> Account:
    """Another group, another role; None leaves it as it is. Whoever is limited to a group takes nobody out of it."""
    _demand_group(bureau, group or "")
    groups = () if group is None else (Act.SET_GROUP,)
    roles = () if role is None and role_limit is None else (Act.SET_ROLE,)

    def becomes(old: Account) -> Account:
        return replace(
            old,
            group=old.group if group is None else group,
            role=old.role if role is None else role,
            role_limit=old.role_limit if role_limit is None else role_limit,
        )

    return await bureau.do(
        acting,
        (*groups, *roles) or Act.SET_GROUP,
        named(name),
        lambda changes: changes.accounts.change(
            name, actor=acting.actor, group=group, role=role, role_limit=role_limit
        ),
        becomes=becomes,
    )


async def suspend(bureau: Bureau, acting: Acting, name: AccountName) -> None:
    """Nobody gets in by this account; its sessions and grants end."""
    await bureau.do(acting, Act.SUSPEND, named(name), lambda c: c.accounts.suspend(name, actor=acting.actor))


async def resume(bureau: Bureau, acting: Acting, name: AccountName) -> None:
    """Undo a suspension."""
    await bureau.do(acting, Act.RESUME, named(name), lambda c: c.accounts.resume(name, actor=acting.actor))


async def unlock(bureau: Bureau, acting: Acting, name: AccountName) -> None:
    """Forget the wrong secrets tried at this name, an account's or not."""
    await bureau.do(acting, Act.UNLOCK, named(name), lambda c: c.accounts.unlock(name, actor=acting.actor))


async def remove(bureau: Bureau, acting: Acting, name: AccountName) -> None:
    """Delete the account with its credentials; its sessions end. The record keeps its rows."""
    await bureau.do(acting, Act.REMOVE, named(name), lambda c: c.accounts.remove(name, actor=acting.actor))


async def plan(bureau: Bureau, acting: Acting, lines: Iterable[str]) -> Imported:
    """What `bring` would make of these lines. Nothing is made."""
    return _sorted_out(await _planned(bureau, acting, lines))


async def bring(bureau: Bureau, acting: Acting, lines: Iterable[str]) -> Imported:
    """Make the accounts of CSV lines, `address` or `address,group`; whoever has one keeps it as it is. ListRefused
    names the lines that cannot be, NotAllowed comes of those that whoever acts may not make: before any is made."""
    planned = await _planned(bureau, acting, lines)
    for name, group in planned.items():
        if group is not None:
            await add(bureau, acting, name, group=group)
    return _sorted_out(planned)


def _sorted_out(planned: Mapping[AccountName, str | None]) -> Imported:
    return Imported(
        tuple(name for name, group in planned.items() if group is not None),
        tuple(name for name, group in planned.items() if group is None),
    )


async def _planned(bureau: Bureau, acting: Acting, lines: Iterable[str]) -> dict[AccountName, str | None]:
    """The group that each name gets; None where it is an account already."""
    wanted = _read(bureau, lines)
    for name, group in wanted.items():
        await bureau.lets(acting, Act.ADD, replace(nobody(name), group=group))  # or else lists tell who has an account
    return {name: group if await bureau.store.accounts.get(name) is None else None for name, group in wanted.items()}


def _read(bureau: Bureau, lines: Iterable[str]) -> dict[AccountName, str]:
    wanted: dict[AccountName, str] = {}
    refused: list[str] = []
    for number, line in enumerate(lines, 1):
        if number > IMPORTED_MOST:
            raise ChangeRefused(f"more than {IMPORTED_MOST} lines: split the list")
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, group = _line(bureau, [cell.strip() for cell in line.split(",")])
            if wanted.setdefault(name, group) != group:
                raise ChangeRefused(f"{name} stands there twice, in two groups: mend the list")
        except ChangeRefused as why:
            refused.append(f"line {number}: {why}")
    if refused:
        raise ListRefused(tuple(refused))
    return wanted


def _line(bureau: Bureau, cells: Sequence[str]) -> tuple[AccountName, str]:
    address, group = (*cells, "")[:2]
    if len(cells) > 2:
        raise ChangeRefused("has more than two columns: write address,group")
    _demand_group(bureau, group)
    try:
        return bureau.canonical(address), group
    except NameRefused as refused:
        raise ChangeRefused(f"this account name {refused}; mend the list") from None


def _demand_group(bureau: Bureau, group: str) -> None:
    if group and group not in bureau.limits.group:
        raise ChangeRefused(f"there is no group {group}: write [policy.group.{group}] into the configuration first")
