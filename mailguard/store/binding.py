"""A factor is bound to an account, or taken from it: what follows, whether it is an authenticator or a passkey."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailguard.auth.accounts import CodeKind
from mailguard.store import codes, revocations
from mailguard.store.errors import ChangeRefused
from mailguard.store.factors import has_factor
from mailguard.store.revocations import Kind

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.auth.accounts import Account
    from mailguard.store.administration import Administration

LONGEST_NAME = 64  # characters


def demand_name(label: str, what: str) -> None:
    """ChangeRefused unless it can be shown in a list."""
    if not label.strip() or not label.isprintable() or len(label) > LONGEST_NAME:
        raise ChangeRefused(f"{what}'s name has 1 to {LONGEST_NAME} printable characters: write another")


def bind(by: Administration, connection: Connection, account: Account, actor: str, *, only_first: bool) -> None:
    """A factor is about to count: what the bare password opened ends, an enrolment code has done its work.
    `only_first`: ChangeRefused where the account has one already; whoever was let in to bind the first binds no second.
    """
    enrolled = has_factor(connection, account.id)
    if only_first and enrolled:
        raise ChangeRefused(f"{account.name} has a second factor by now: sign in again, with that")
    if not enrolled:
        revocations.revoke(connection, Kind.FACTOR, account.id, by.now())
    by.rewrite(connection, replace(account, factor_required=False))
    codes.withdraw(by, connection, account, {CodeKind.ENROLMENT}, actor)
    by.unlock(connection, account.name)


def unbound(by: Administration, connection: Connection, account: Account, actor: str, *, keep_one: bool) -> None:
    """A factor is gone. `keep_one`: ChangeRefused where it was the last."""
    if has_factor(connection, account.id):
        return
    if keep_one:
        raise ChangeRefused("this is your last authenticator or passkey, and you must have one: add another first")
    # Nothing is left that they could stand in for.
    codes.withdraw(by, connection, account, {CodeKind.RECOVERY}, actor)
