"""Live sessions, of mail clients and of browsers at the portal: who is connected now, and cutting them off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.admin.bureau import everybody, named
from mailguard.admin.gate import Act
from mailguard.auth.accounts import Account, AccountName
from mailguard.store.sessions import account_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.admin.acting import Acting
    from mailguard.admin.bureau import Bureau
    from mailguard.store.administration import Administration
    from mailguard.store.portal_sessions import PortalSession
    from mailguard.store.sessions import SessionRow


async def live(bureau: Bureau, acting: Acting, name: AccountName | None = None) -> tuple[SessionRow, ...]:
    """One account's sessions, and those of that person at shared mailboxes; or all. Within the limit of whoever looks,
    oldest first."""
    current = await bureau.reads(acting)
    found = await bureau.store.sessions.list(name)
    seen = await bureau.store.search.within(current.limit, {row.account for row in found})
    return tuple(row for row in found if row.account in seen)


async def browsers(bureau: Bureau, acting: Acting, name: AccountName | None = None) -> tuple[PortalSession, ...]:
    """One account's browsers that are signed in at the portal, or all. Within the limit of whoever looks."""
    current = await bureau.reads(acting)
    found = await bureau.store.portal_sessions.list(name)
    return tuple(session for session in found if current.limit.reaches(session.account))


async def end_browser(bureau: Bureau, acting: Acting, name: AccountName, session_id: str) -> None:
    """Sign one browser of an account out."""
    await bureau.do(
        acting,
        Act.REVOKE,
        named(name),
        lambda changes: changes.portal_sessions.end(name, session_id, actor=acting.actor, why="ended-by-administrator"),
    )


async def end(bureau: Bureau, acting: Acting, session_id: str) -> None:
    """End one session on its worker; its grant ends too."""

    def whose(by: Administration, connection: Connection) -> Account | None:
        name = account_of(connection, session_id)
        return None if name is None else by.find(connection, AccountName(name))

    await bureau.do(acting, Act.REVOKE, whose, lambda changes: changes.sessions.end(session_id, actor=acting.actor))


async def end_of_account(bureau: Bureau, acting: Acting, name: AccountName) -> None:
    """End all sessions and grants of an account."""
    await bureau.do(acting, Act.REVOKE, named(name), lambda c: c.sessions.end_account(name, actor=acting.actor))


async def end_all(bureau: Bureau, acting: Acting) -> None:
    """End every session and grant of everybody."""
    await bureau.do(acting, Act.END_ALL, everybody, lambda changes: changes.sessions.end_all(actor=acting.actor))
