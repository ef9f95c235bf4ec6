"""Grants: the strings of used codes that still open sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.admin.gate import Act
from mailguard.auth.accounts import Account, AccountName
from mailguard.store.grants import owner_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.admin.acting import Acting
    from mailguard.admin.bureau import Bureau
    from mailguard.store.administration import Administration
    from mailguard.store.grants import GrantRow


async def live(bureau: Bureau, acting: Acting, name: AccountName | None = None) -> tuple[GrantRow, ...]:
    """One account's live grants, or all within the limit of whoever looks, oldest first."""
    current = await bureau.reads(acting)
    found = await bureau.store.grants.list(name)
    seen = await bureau.store.search.within(current.limit, {row.account for row in found})
    return tuple(row for row in found if row.account in seen)


async def revoke(bureau: Bureau, acting: Acting, grant_id: str) -> str:
    """End a grant and every session opened with it; whose it was."""

    def whose(by: Administration, connection: Connection) -> Account | None:
        owner = owner_of(connection, grant_id)
        return None if owner is None else by.find(connection, AccountName(owner))

    return await bureau.do(
        acting, Act.REVOKE, whose, lambda changes: changes.grants.revoke(grant_id, actor=acting.actor)
    )
