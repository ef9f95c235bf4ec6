"""Whether an account has a factor: the question that many a change turns on, asked within its transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from mailguard.store.schema import devices

if TYPE_CHECKING:
    from sqlalchemy import Connection

_CONFIRMED = select(func.count()).where(
    devices.c.account_id == bindparam("account"), devices.c.confirmed_at.is_not(None)
)


def has_factor(connection: Connection, account_id: str) -> bool:
    """Has this account a confirmed authenticator?"""
    return bool(connection.execute(_CONFIRMED, {"account": account_id}).scalar_one())
