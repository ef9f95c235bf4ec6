"""What is to be told is put down in the transaction of the event itself: neither happens without the other."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, insert, select, union_all

from mailguard.auth.notices import Notice, NoticeKind, Occasion, occasion
from mailguard.store.ids import new_id
from mailguard.store.portal_schema import passkeys
from mailguard.store.schema import accounts, addresses, app_passwords, devices, notices

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.auth.ports import AuditRow

DAY = 24 * 3600.0
MOST_A_DAY = {NoticeKind.REPLAY: 5, NoticeKind.CLIENT_REFUSED: 5, NoticeKind.CLIENT_UNNAMED: 5}
"""Letters to one account for what strangers can cause from as many networks as they have. The record holds it all."""
NAMES_ITSELF_WITHIN = {NoticeKind.FACTOR_WANTED: 60.0}
"""Seconds that a letter waits which is to name a mail program: it gives its name after its login."""

_c = notices.c
_PUT = insert(notices)
_TOLD = select(func.count()).where(
    _c.account == bindparam("owner"),
    _c.kind == bindparam("about"),
    _c.subject == bindparam("what"),
    _c.at > bindparam("since"),
)
_OF_KIND = select(func.count()).where(
    _c.account == bindparam("owner"), _c.kind == bindparam("about"), _c.at > bindparam("since")
)
_RECIPIENTS = (
    select(addresses.c.address)
    .join(accounts, accounts.c.id == addresses.c.account_id)
    .where(accounts.c.name.in_([bindparam("owner"), bindparam("person")]), addresses.c.active_at <= bindparam("at"))
    .order_by(addresses.c.active_at, addresses.c.id)
    .distinct()
)
_LABEL = union_all(
    select(app_passwords.c.label).where(app_passwords.c.id == bindparam("credential")),
    select(devices.c.name).where(devices.c.id == bindparam("credential")),
    select(passkeys.c.name).where(passkeys.c.id == bindparam("credential")),
)


def tell_of(connection: Connection, row: AuditRow) -> None:
    """Put down what an event gives reason to write, within the caller's transaction. Most events cost no statement."""
    why = occasion(row)
    if why is None or not row.account:
        return
    notice = Notice(
        why.kind,
        row.account,
        row.at,
        actor=row.actor,
        person=row.person,
        address=str(row.origin.address) if row.origin is not None else "",
        protocol=row.protocol or "",
        client=row.client,
        label=_label(connection, row.credential),
        detail=row.detail,
    )
    put(connection, why, notice)


def put(connection: Connection, why: Occasion, notice: Notice) -> bool:
    """Put a notice down unless its owner was told of the same a moment ago; whether it was."""
    about = {"owner": notice.account, "about": notice.kind.value}
    if why.pause:
        told = connection.execute(_TOLD, {**about, "what": why.subject, "since": notice.at - why.pause})
        if told.scalar_one():
            return False
    most = MOST_A_DAY.get(notice.kind)
    if most is not None and connection.execute(_OF_KIND, {**about, "since": notice.at - DAY}).scalar_one() >= most:
        return False
    recipients = {"owner": notice.account, "person": notice.person, "at": notice.at}
    values = {
        "id": new_id(),
        "account": notice.account,
        "kind": notice.kind.value,
        "subject": why.subject,
        "at": notice.at,
        "facts": facts(notice),
        "recipients": " ".join(connection.execute(_RECIPIENTS, recipients).scalars()),
        "letter": "",
        "tries": 0,
        "next_at": notice.at + NAMES_ITSELF_WITHIN.get(notice.kind, 0.0),
        "error": "",
    }
    connection.execute(_PUT, values)
    return True


def facts(notice: Notice) -> str:
    """What there is to tell, as a row holds it."""
    return json.dumps({k: v for k, v in asdict(notice).items() if v and k not in ("kind", "account", "at")})


def _label(connection: Connection, credential: str) -> str:
    return connection.execute(_LABEL, {"credential": credential}).scalar() or "" if credential else ""
