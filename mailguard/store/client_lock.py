"""The client lock of an app password: the first IMAP ID name binds it, any other trips.

A tripwire, no proof: names are there for whoever asks a client, and whoever stole the app password from a device knows
them too. It catches what does not know: a stolen string in somebody's own mail program, or in a script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update

from mailguard.auth.attempt import Factor, MailProtocol, Origin
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import audit, macs
from mailguard.store.schema import app_passwords, sessions

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from mailguard.auth.attempt import Client
    from mailguard.store.administration import Administration

_c = app_passwords.c
_LOCKED = (
    select(app_passwords, sessions)
    .join(sessions, sessions.c.credential == _c.id)
    .where(sessions.c.id == bindparam("session"), _c.client_lock)
)
_BIND = update(app_passwords).where(_c.id == bindparam("app_password"))


def holds(by: Administration, connection: Connection, session_id: str, client: Client) -> bool:
    """Whether a session may go on under this name; binds, compares and reports within the caller's transaction."""
    row = connection.execute(_LOCKED, {"session": session_id}).mappings().first()
    if row is None:
        return True
    if not client.name:
        _report(by, connection, row, client, Event.CLIENT_UNNAMED)
        return True
    if row[_c.client_bound] == client.name:
        return True
    if row[_c.client_bound] or not macs.fits(by.seal, app_passwords, row):
        _report(by, connection, row, client, Event.CLIENT_REFUSED, detail=f"it is bound to {row[_c.client_bound]}")
        return False
    bound = macs.changed(by.seal, app_passwords, row, client_bound=client.name)
    connection.execute(_BIND, {"app_password": row[_c.id], **bound})
    _report(by, connection, row, client, Event.CLIENT_BOUND)
    return True


def _report(
    by: Administration, connection: Connection, row: RowMapping, client: Client, event: Event, *, detail: str = ""
) -> None:
    c = sessions.c
    told = AuditRow(
        event=event,
        at=by.now(),
        account=row[c.account],
        person=row[c.person],
        origin=Origin.of(row[c.address], row[c.port]),
        protocol=MailProtocol(row[c.protocol]),
        factor=Factor(row[c.factor]),
        credential=row[c.credential],
        session=row[c.id],
        client=str(client),
        detail=detail,
    )
    audit.append(connection, told)
