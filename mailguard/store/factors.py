"""Whether an account has a factor: the question that many a change turns on, asked within its transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import String, bindparam, exists, or_, select

from mailguard.store.portal_schema import passkeys
from mailguard.store.schema import devices

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection


def of_account(account_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Has this account a confirmed authenticator, or a passkey? As a part of a statement."""
    return or_(
        exists().where(devices.c.account_id == account_id, devices.c.confirmed_at.is_not(None)),
        exists().where(passkeys.c.account_id == account_id),
    )


_ENROLLED = select(of_account(bindparam("account", type_=String)))


def has_factor(connection: Connection, account_id: str) -> bool:
    """Has this account a confirmed authenticator, or a passkey?"""
    return bool(connection.execute(_ENROLLED, {"account": account_id}).scalar_one())
