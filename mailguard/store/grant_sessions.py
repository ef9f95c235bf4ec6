"""The open sessions of grants, each entered in the transaction of its login.

So they are counted exactly, whichever worker holds them. Five connections that a network dropped without a FIN are
still open here when five more come: at the cap the sessions that were silent longest make room for the new ones.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import audit, revocations
from mailguard.store.revocations import Kind
from mailguard.store.schema import sessions
from mailguard.store.sessions import SessionRow, session_values

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.auth.attempt import Admission
    from mailguard.auth.ports import Entry

_c = sessions.c
_ENTER = insert(sessions)
_LEAVE = delete(sessions).where(_c.id == bindparam("session"))
_SILENT_LONGEST = select(_c.id).where(_c.grant_id == bindparam("grant")).order_by(_c.seen_at, _c.started_at, _c.id)


def enter(connection: Connection, entry: Entry, admission: Admission) -> None:
    """Give an admitted login its place; where its grant has no more, whoever was silent longest loses theirs."""
    row = entry.audit
    assert row.origin is not None
    assert isinstance(row.protocol, MailProtocol)  # a person's sign-in takes no place
    leave(connection, row.session)  # of an earlier attempt on the same connection, whose end went unrecorded
    if admission.credential and entry.connections is not None:
        silent = connection.execute(_SILENT_LONGEST, {"grant": admission.credential}).scalars().all()
        for session in silent[: max(0, len(silent) + 1 - entry.connections)]:
            _make_room(connection, session, entry)
    session = SessionRow(
        id=row.session,
        account=admission.name,
        protocol=row.protocol,
        address=str(row.origin.address),
        port=row.origin.port,
        pid=os.getpid(),
        factor=admission.factor,
        credential=admission.credential,
        device=admission.device,
        grant=admission.credential,
        client=row.client,
        started_at=row.at,
        seen_at=row.at,
        person=admission.person_name,
    )
    connection.execute(_ENTER, session_values(session))


def leave(connection: Connection, session: str) -> None:
    """A login that was admitted has become no session."""
    connection.execute(_LEAVE, {"session": session})


def _make_room(connection: Connection, session: str, entry: Entry) -> None:
    leave(connection, session)
    revocations.revoke(connection, Kind.SESSION, session, entry.audit.at)
    detail = f"silent longest of the {entry.connections} that its grant may have open"
    asked = AuditRow(
        Event.SESSION_END_ASKED, entry.audit.at, account=entry.name, actor="system", session=session, detail=detail
    )
    audit.append(connection, asked)
