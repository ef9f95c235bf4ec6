"""Who is signed in at the portal. A session stands as long as everything that its sign-in stands on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, insert, select, update

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Factor
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.auth.standing import SignedIn, Site, Standing
from mailguard.store import audit, macs, revocations, rows
from mailguard.store.accounts import end_everything
from mailguard.store.errors import Absent
from mailguard.store.ids import new_id
from mailguard.store.portal_schema import portal_sessions
from mailguard.store.reseal import Unfit
from mailguard.store.revocations import Kind, revoked_since
from mailguard.store.schema import accounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, RowMapping

    from mailguard.auth.accounts import Account
    from mailguard.auth.attempt import Origin
    from mailguard.store.administration import Administration

IDLE_SECONDS = 3600.0  # NIST SP 800-63B-4 2.2.3
LIFE_SECONDS = 24 * 3600.0
HALF_WAY_SECONDS = 3600.0  # of somebody who has no factor yet
SEEN_GRAIN = 60.0
AGENT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class PortalSession:
    """Somebody signed in. Times are UTC seconds since 1970."""

    id: str
    account: Account
    signed: SignedIn
    ends_at: float
    address: str
    agent: str  # what the browser called itself
    seen_at: float  # the last request, to a minute


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a session is held."""

    digest: bytes  # SHA-256 of the token in its cookie
    origin: Origin
    agent: str


_c = portal_sessions.c
_OPEN = insert(portal_sessions)
_FIND = (
    select(portal_sessions, accounts)
    .join(accounts, accounts.c.id == _c.account_id)
    .where(_c.digest == bindparam("wanted"))
)
_BY_ID = (
    select(portal_sessions, accounts).join(accounts, accounts.c.id == _c.account_id).where(_c.id == bindparam("wanted"))
)
_ALL = select(portal_sessions, accounts).join(accounts, accounts.c.id == _c.account_id).order_by(_c.signed_at, _c.id)
_OF_ACCOUNT = (
    select(portal_sessions, accounts)
    .join(accounts, accounts.c.id == _c.account_id)
    .where(_c.account_id == bindparam("owner"))
    .order_by(_c.signed_at, _c.id)
)
_END = delete(portal_sessions).where(_c.id == bindparam("ended"))
_SEEN = update(portal_sessions).where(_c.id == bindparam("session"), _c.seen_at < bindparam("now"))
_STANDING = select(func.count()).where(_c.ends_at > bindparam("now"), _c.seen_at >= bindparam("idle"))
_PURGE = delete(portal_sessions).where((_c.ends_at < bindparam("now")) | (_c.seen_at < bindparam("idle")))


class PortalSessions:
    """The sessions, as the portal opens, finds and ends them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def open(self, signed: SignedIn, browser: Browser, *, instead: str = "") -> PortalSession:
        """A session for a sign-in just granted. That of the same browser before it, `instead`, ends with it.

        ChangeRefused where what it stands on was revoked meanwhile.
        """

        def work(connection: Connection) -> PortalSession:
            account = self._by.demand(connection, signed.name, signed=signed)
            if instead:
                connection.execute(_END, {"ended": instead})
            return self._opened(connection, account, signed, browser)

        return await self._by.database.write(work)

    def _opened(self, connection: Connection, account: Account, signed: SignedIn, browser: Browser) -> PortalSession:
        address, now = str(browser.origin.address), self._by.now()
        session_id = new_id()
        signed = replace(signed, session=session_id)
        session = PortalSession(session_id, account, signed, _end_of(signed), address, browser.agent, now)
        values = {**_values(session), "digest": browser.digest}
        connection.execute(_OPEN, macs.under_mac(self._by.seal, portal_sessions, values))
        return session

    async def find(self, digest: bytes) -> PortalSession | None:
        """The session whose token has this digest, if it stands: not idle for an hour, nothing under it revoked."""
        now = self._by.now()

        def work(connection: Connection) -> PortalSession | Unfit | None:
            row = connection.execute(_FIND, {"wanted": digest}).mappings().first()
            return None if row is None else self._standing(connection, row, now)

        session = await self._by.database.read(work)
        if isinstance(session, Unfit):
            alarm = session.alarm(now, "")
            await self._by.database.write(lambda connection: audit.append(connection, alarm))
            return None
        if session is not None and now - session.seen_at > SEEN_GRAIN:
            seen = {"session": session.id, "now": now}
            await self._by.database.write(lambda connection: connection.execute(_SEEN.values(seen_at=now), seen))
        return session

    def standing(self, connection: Connection, session_id: str) -> PortalSession | None:
        """The session of this id, if it stands; within the caller's transaction."""
        row = connection.execute(_BY_ID, {"wanted": session_id}).mappings().first()
        found = None if row is None else self._standing(connection, row, self._by.now())
        return None if isinstance(found, Unfit) else found  # its own next request raises the alarm

    async def renew(self, session: PortalSession, signed: SignedIn, browser: Browser) -> PortalSession:
        """The same browser may do something else now: a new token, as at a sign-in."""
        return await self.open(signed, browser, instead=session.id)

    async def list(self, name: AccountName | None = None) -> tuple[PortalSession, ...]:
        """The sessions that stand, an account's or everybody's, oldest first."""
        now = self._by.now()

        def work(connection: Connection) -> tuple[PortalSession, ...]:
            if name is None:
                found = connection.execute(_ALL).mappings().all()
            else:
                owner = self._by.demand(connection, name).id
                found = connection.execute(_OF_ACCOUNT, {"owner": owner}).mappings().all()
            standing = (self._standing(connection, row, now) for row in found)
            return tuple(session for session in standing if isinstance(session, PortalSession))

        return await self._by.database.read(work)

    async def count(self) -> int:
        """How many have not run out, as the records have it: cheap, and vouched for by nobody."""
        now = self._by.now()
        times = {"now": now, "idle": now - IDLE_SECONDS}
        return int(await self._by.database.read(lambda connection: connection.execute(_STANDING, times).scalar_one()))

    async def end_all_else(self, session: PortalSession, browser: Browser, *, actor: str) -> PortalSession:
        """End every session and grant of the account, of mail clients and of browsers. This browser goes on with a
        session of its own, opened after that, under a new token."""

        def work(connection: Connection) -> PortalSession:
            signed = session.signed
            account = self._by.demand(connection, signed.name, signed=signed)
            open_now = connection.execute(select(_c.id).where(_c.account_id == account.id, _c.id != session.id))
            self._ended(connection, account, open_now.scalars().all(), actor, "ended-by-owner")
            connection.execute(delete(portal_sessions).where(_c.account_id == account.id))
            end_everything(connection, account.id, self._by.now())
            detail = "all sessions of the account"
            self._by.record(connection, Event.SESSION_END_ASKED, account.name, actor, detail=detail)
            revision = int(connection.execute(select(revocations.newest)).scalar_one())
            return self._opened(connection, account, replace(signed, revision=revision), browser)

        return await self._by.database.write(work)

    async def end(
        self, name: AccountName, session_id: str, *, actor: str, why: str = "signed-out", signed: SignedIn | None = None
    ) -> None:
        """End one of an account's sessions; ChangeRefused where it has no such session."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name, signed=signed)
            mine = _c.account_id == account.id
            if connection.execute(delete(portal_sessions).where(mine, _c.id == session_id)).rowcount == 0:
                raise Absent("this session has ended already")
            self._ended(connection, account, (session_id,), actor, why)

        await self._by.database.write(work)

    async def end_others(self, name: AccountName, *, but: str, actor: str, signed: SignedIn | None = None) -> int:
        """End all of an account's sessions except one; how many those were."""

        def work(connection: Connection) -> int:
            account = self._by.demand(connection, name, signed=signed)
            others = (_c.account_id == account.id) & (_c.id != but)
            ended = connection.execute(select(_c.id).where(others)).scalars().all()
            connection.execute(delete(portal_sessions).where(others))
            self._ended(connection, account, ended, actor, "ended-by-owner")
            return len(ended)

        return await self._by.database.write(work)

    def _ended(self, connection: Connection, account: Account, ended: Sequence[str], actor: str, why: str) -> None:
        now = self._by.now()
        for session_id in ended:
            # A request in flight compares this again in the transaction of its change.
            revocations.revoke(connection, Kind.SESSION, session_id, now)
            row = AuditRow(
                Event.SESSION_ENDED,
                now,
                account=account.name,
                actor=actor,
                protocol=Site.PORTAL,
                session=session_id,
                reason=why,
            )
            audit.append(connection, row)

    def _standing(self, connection: Connection, row: RowMapping, now: float) -> PortalSession | Unfit | None:
        if not macs.fits(self._by.seal, portal_sessions, row):
            return Unfit(portal_sessions.name, row[_c.id], frozenset({row[_c.mac_key]}))
        if now >= row[_c.ends_at] or now - row[_c.seen_at] > IDLE_SECONDS:
            return None
        checked = rows.account_of(self._by.seal, row)
        if not checked.intact or checked.value.suspended:
            return None
        session = _session(row, checked.value)
        owner, device = session.account.id, session.signed.device
        # Whoever has but the password, such as a thief, looks no longer once its owner has a second factor.
        bare = owner if session.signed.standing is Standing.ENROLS else ""
        stands_on = {"account": owner, "device": device, "password": owner, "bare": bare, "session": session.id}
        return None if revoked_since(connection, session.signed.revision, **stands_on) else session


def purge(connection: Connection, now: float) -> None:
    """Forget those that are over."""
    connection.execute(_PURGE, {"now": now, "idle": now - IDLE_SECONDS})


def _end_of(signed: SignedIn) -> float:
    """Counted from the sign-in, not from the newest token under it: else a session could be drawn out for ever."""
    end = signed.at + (LIFE_SECONDS if signed.standing in (Standing.FULL, Standing.BYPASS) else HALF_WAY_SECONDS)
    return end if signed.until is None else min(end, signed.until)


def _values(session: PortalSession) -> dict[str, str | int | float | None]:
    signed = session.signed
    return {
        "id": session.id,
        "account_id": signed.account_id,
        "standing": signed.standing.value,
        "factor": signed.factor.value,
        "device": signed.device,
        "revision": signed.revision,
        "signed_at": signed.at,
        "until": signed.until,
        "ends_at": session.ends_at,
        "address": session.address,
        "agent": session.agent[:AGENT_CHARACTERS],
        "seen_at": session.seen_at,
    }


def _session(row: RowMapping, account: Account) -> PortalSession:
    signed = SignedIn(
        name=account.name,
        account_id=account.id,
        standing=Standing(row[_c.standing]),
        factor=Factor(row[_c.factor]),
        device=row[_c.device],
        revision=row[_c.revision],
        at=row[_c.signed_at],
        until=row[_c.until],
        session=row[_c.id],
    )
    return PortalSession(row[_c.id], account, signed, row[_c.ends_at], row[_c.address], row[_c.agent], row[_c.seen_at])
