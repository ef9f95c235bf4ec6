"""Is the database whole, and do the names in it go with the aliases?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.auth.accounts import AccountKind, AccountName
from mailguard.auth.ports import StoreUnavailable
from mailguard.checks.findings import Finding, fail, ok, warn
from mailguard.keyring import Keyring, KeysError
from mailguard.store import SchemaError, Store

if TYPE_CHECKING:
    from mailguard.auth.names import Naming
    from mailguard.config import Settings


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in it that other checks turn on: persons who may log in, and what was found."""

    people: tuple[AccountName, ...] = ()
    findings: tuple[Finding, ...] = ()


async def contents(settings: Settings, ring: Keyring, naming: Naming | None) -> Contents:
    """Read every page of it once. What keeps it from being opened is told by `machine.records`."""
    try:
        store = await Store.open(settings.store.url, ring)
    except (StoreUnavailable, SchemaError, KeysError):
        return Contents()
    try:
        damage = await store.damage()
        accounts = await store.accounts.list()
    except StoreUnavailable as error:
        return Contents(findings=(fail("the database cannot be read through", str(error)),))
    finally:
        await store.close()
    found = [_whole(damage)]
    if naming is not None:
        found += [_shadowed(each.name) for each in accounts if each.name in naming.aliases.names]
    named = {each.group for each in accounts}
    found += [_unused(group) for group in settings.policy.group if group not in named and not _told(settings)]
    people = tuple(each.name for each in accounts if each.kind is AccountKind.PERSON and not each.suspended)
    return Contents(people, tuple(found))


def _whole(damage: str) -> Finding:
    if damage:
        return fail(
            f"the database is damaged: {damage}",
            "stop mailguard, keep a copy, restore the newest backup that passes; then look at the disk",
        )
    return ok("the database is whole")


def _shadowed(name: AccountName) -> Finding:
    return fail(
        f"{name} is an alias, and an account as well that nobody can log in to any more",
        f"take the line out of names.aliases, or do: mailguard account remove {name}",
    )


def _unused(group: str) -> Finding:
    return warn(
        f"policy.group.{group} is nobody's: no account is in that group",
        f"take the table out, or do: mailguard account set ADDRESS --group {group}",
    )


def _told(settings: Settings) -> bool:
    """A directory puts people into groups when they log in."""
    return settings.identity.ldap is not None and bool(settings.identity.ldap.groups)
