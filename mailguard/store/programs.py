"""What a mail program calls itself that is known by its address alone. It says so after its login, if at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from mailguard.store.schema import audit, sessions

if TYPE_CHECKING:
    from sqlalchemy import Connection

WITHIN_SECONDS = 90 * 24 * 3600.0  # how long ago a program may have named itself

_s, _a = sessions.c, audit.c
_OPEN = (
    select(_s.client)
    .where(_s.account == bindparam("owner"), _s.address == bindparam("where"), _s.client != "")
    .order_by(_s.started_at.desc())
    .limit(1)
)
_RECORDED = (
    select(_a.client)
    .where(
        _a.account == bindparam("owner"), _a.address == bindparam("where"), _a.client != "", _a.at > bindparam("since")
    )
    .order_by(_a.at.desc())
    .limit(1)
)


def named_itself(connection: Connection, account: str, address: str, at: float) -> str:
    """The newest name that a session of the account from there was given, now or in the months before `at`; or ""."""
    known = {"owner": account, "where": address}
    found = connection.execute(_OPEN, known).scalar()
    return found or connection.execute(_RECORDED, {**known, "since": at - WITHIN_SECONDS}).scalar() or ""
