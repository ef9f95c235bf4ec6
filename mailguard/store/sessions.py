"""Live sessions of all workers, and the asking that one end. The worker that holds a session writes and ends it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, or_, select, true, update
from sqlalchemy.dialects.sqlite import insert

from mailguard.auth.attempt import Factor, MailProtocol, Origin
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import audit, client_lock, grants, revocations
from mailguard.store.accounts import end_everything
from mailguard.store.errors import Absent, ChangeRefused
from mailguard.store.prepared import Prepared
from mailguard.store.revocations import Kind
from mailguard.store.schema import app_passwords, sessions
from mailguard.store.schema import grants as grant_table

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection, RowMapping

    from mailguard.auth.accounts import AccountName
    from mailguard.auth.attempt import Client
    from mailguard.auth.standing import SignedIn
    from mailguard.store.administration import Administration

LOGIN_SECONDS = 120.0  # no login takes longer to become a session, or none


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One relay, as it is listed. `account` is the canonical name; `device` and `grant` are "" where none was used."""

    id: str
    account: str
    protocol: MailProtocol
    address: str
    port: int
    pid: int
    factor: Factor
    credential: str
    device: str
    grant: str
    client: str
    started_at: float
    seen_at: float  # when anything last moved, to a few seconds
    person: str = ""  # of a shared mailbox: the canonical name of the named person


_c = sessions.c
# A batch may come again: its commit may have gone unheard.
_OPENED = Prepared(insert(sessions).on_conflict_do_nothing(), fills=[column.name for column in _c])
_ENDED = Prepared(delete(sessions).where(_c.id == bindparam("session")))
_ACCOUNT = select(_c.account).where(_c.id == bindparam("session"))
_NAMED = update(sessions).where(_c.id == bindparam("session")).values(client=bindparam("said"))
_CLIENT_OF_PASSWORD = (
    update(app_passwords)
    .where(app_passwords.c.id.in_(select(_c.credential).where(_c.id == bindparam("session"))))
    .values(last_client=bindparam("said"))
)
_IDLE_FROM = Prepared(
    update(grant_table)
    .where(grant_table.c.id == select(_c.grant_id).where(_c.id == bindparam("session")).scalar_subquery())
    .values(idle_since=func.max(grant_table.c.idle_since, bindparam("at")))
)
_SEEN = update(sessions).where(_c.id == bindparam("session")).values(seen_at=func.max(_c.seen_at, bindparam("moved")))
_MINE = select(_c.id).where(_c.pid == bindparam("mine"), _c.started_at < bindparam("before"))
_USE = (
    update(app_passwords)
    .where(
        app_passwords.c.id == bindparam("credential"),
        app_passwords.c.last_used_at.is_(None) | (app_passwords.c.last_used_at <= bindparam("at")),
    )
    .values(last_used_at=bindparam("at"), last_used_from=bindparam("where"), last_used_protocol=bindparam("protocol"))
)
_LAST_USED = Prepared(_USE)
_LAST_CLIENT = Prepared(_USE.values(last_client=bindparam("said")))
_THEIRS = select(sessions).where(_c.pid.in_(bindparam("gone", expanding=True)))


class Sessions:
    """The sessions, as workers keep them and an administrator ends them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def opened(self, batch: Sequence[SessionRow]) -> None:
        """Sessions that began, and with each the last use of its app password."""

        def work(connection: Connection) -> None:
            _OPENED.run_each(connection, [session_values(row) for row in batch])
            uses = [
                _use(row.credential, row.started_at, row.address, row.protocol)
                for row in batch
                if row.factor is Factor.APP_PASSWORD
            ]
            _LAST_USED.run_each(connection, uses)

        if batch:
            await self._by.database.write(work)

    async def ended(self, batch: Sequence[tuple[str, AuditRow]]) -> None:
        """Sessions that are over, each with the row that tells of it (SESSION_ENDED)."""

        def work(connection: Connection) -> None:
            for session_id, row in batch:
                _end(connection, session_id, row.at)
                _used(connection, row)
                audit.append(connection, row)

        if batch:
            await self._by.database.write(work)

    async def named(self, session_id: str, client: Client) -> bool:
        """The client named itself (IMAP ID), or will not; its app password remembers by whom it was last used.

        False where that is bound to another name: the session is to end.
        """

        def work(connection: Connection) -> bool:
            if client:
                said = {"session": session_id, "said": str(client)}
                connection.execute(_NAMED, said)
                connection.execute(_CLIENT_OF_PASSWORD, said)
            return client_lock.holds(self._by, connection, session_id, client)

        return await self._by.database.write(work)

    async def seen(self, batch: Mapping[str, float]) -> None:
        """When something last moved in each of these sessions."""
        moved = [{"session": session, "moved": at} for session, at in batch.items()]
        if moved:
            await self._by.database.write(lambda connection: connection.execute(_SEEN, moved))

    async def forget_strays(self, pid: int, known: Collection[str]) -> int:
        """Forget this process's sessions that it does not have: their leg failed while the records were away. How many
        those were."""
        mine = {"mine": pid, "before": self._by.now() - LOGIN_SECONDS}
        found = await self._by.database.read(lambda connection: connection.execute(_MINE, mine).scalars().all())
        strays = set(found).difference(known)

        def work(connection: Connection) -> None:
            for session_id in strays:
                _end(connection, session_id, self._by.now())

        if strays:
            await self._by.database.write(work)
        return len(strays)

    async def list(self, name: AccountName | None = None) -> tuple[SessionRow, ...]:
        """All sessions, or one account's and that person's at shared mailboxes, oldest first."""
        whose = true() if name is None else or_(_c.account == name, _c.person == name)
        query = select(sessions).where(whose).order_by(_c.started_at, _c.id)
        found = await self._by.database.read(lambda connection: connection.execute(query).mappings().all())
        return tuple(_session(row) for row in found)

    async def sweep(self, gone: Collection[int]) -> int:
        """Forget and record the sessions of workers that died; how many those were. `gone`: their process ids. Not
        of all that are not alive: one that has just started may have its first session meanwhile."""

        def work(connection: Connection) -> int:
            orphans = [_session(row) for row in connection.execute(_THEIRS, {"gone": list(gone)}).mappings()]
            for session in orphans:
                _end(connection, session.id, self._by.now())
                audit.append(connection, self._orphaned(session))
            return len(orphans)

        return await self._by.database.write(work)

    async def end(self, session_id: str, *, actor: str, signed: SignedIn | None = None) -> None:
        """Ask the worker of a session to end it. Its grant ends too, with every session opened by it. Whoever `signed`
        in ends their own alone, and those that they opened at shared mailboxes."""

        def work(connection: Connection) -> None:
            found = connection.execute(select(sessions).where(_c.id == session_id)).mappings().first()
            if signed is not None:
                self._by.demand(connection, signed.name, signed=signed)
                if found is None or signed.name not in (found[_c.account], found[_c.person]):
                    raise ChangeRefused("this session has ended already")
            if found is None:
                raise Absent(f"there is no session {session_id}: see `mailguard session list`")
            session, now = _session(found), self._by.now()
            if session.grant:
                grants.end_one(connection, session.grant, now)
            revocations.revoke(connection, Kind.SESSION, session_id, now)
            row = AuditRow(
                Event.SESSION_END_ASKED,
                now,
                account=session.account,
                actor=actor,
                person=session.person,
                session=session_id,
            )
            audit.append(connection, row)

        await self._by.database.write(work)

    async def end_account(self, name: AccountName, *, actor: str) -> None:
        """Ask for the end of all sessions and grants of an account."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name)
            end_everything(connection, account.id, self._by.now())
            self._by.record(connection, Event.SESSION_END_ASKED, name, actor, detail="all sessions of the account")

        await self._by.database.write(work)

    async def end_all(self, *, actor: str) -> None:
        """Ask for the end of every session and grant."""

        def work(connection: Connection) -> None:
            now = self._by.now()
            grants.end(connection, true(), now)
            revocations.revoke(connection, Kind.ALL, "", now)
            audit.append(connection, AuditRow(Event.SESSION_END_ASKED, now, actor=actor, detail="all sessions"))

        await self._by.database.write(work)

    def _orphaned(self, session: SessionRow) -> AuditRow:
        return AuditRow(
            Event.SESSION_ENDED,
            self._by.now(),
            account=session.account,
            actor="system",
            person=session.person,
            origin=Origin.of(session.address, session.port),
            protocol=session.protocol,
            factor=session.factor,
            credential=session.credential,
            session=session.id,
            reason="worker-died",
            client=session.client,
            detail=f"process {session.pid} is gone",
        )


def account_of(connection: Connection, session_id: str) -> str | None:
    """The name of the account whose mailbox a session has open."""
    return connection.execute(_ACCOUNT, {"session": session_id}).scalar()


def _end(connection: Connection, session_id: str, at: float) -> None:
    """Take a session off the list; if it was the last of its grant, that is idle from now on."""
    _IDLE_FROM.run(connection, {"session": session_id, "at": at})
    _ENDED.run(connection, {"session": session_id})


def _used(connection: Connection, row: AuditRow) -> None:
    """Until its session's end an app password was in use. A client that gave no name has none; senders never do."""
    if row.factor is not Factor.APP_PASSWORD or row.origin is None:
        return
    used = _use(row.credential, row.at, str(row.origin.address), row.protocol or "")
    if row.protocol is MailProtocol.IMAP:
        _LAST_CLIENT.run(connection, {**used, "said": row.client})
    else:
        _LAST_USED.run(connection, used)


def _use(credential: str, at: float, where: str, protocol: str) -> dict[str, str | float]:
    return {"credential": credential, "at": at, "where": where, "protocol": protocol}


def session_values(row: SessionRow) -> dict[str, str | int | float]:
    """The row of a session."""
    values = {name: getattr(row, name) for name in _NAMES}
    return {**values, "grant_id": row.grant, "protocol": row.protocol.value, "factor": row.factor.value}


def _session(row: RowMapping) -> SessionRow:
    values = {_FIELDS.get(name, name): value for name, value in row.items()}
    return SessionRow(**{**values, "protocol": MailProtocol(row["protocol"]), "factor": Factor(row["factor"])})


_FIELDS = {"grant_id": "grant"}
_NAMES = tuple(field.name for field in fields(SessionRow) if field.name != "grant")
