"""Links that hand a new app password to the device that opens them, once, within minutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select, update

from mailguard.store import app_passwords, macs
from mailguard.store.errors import MadeAlready
from mailguard.store.portal_schema import handouts

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from mailguard.auth.accounts import AppPassword, KeyedHash
    from mailguard.auth.standing import SignedIn
    from mailguard.secret import Secret
    from mailguard.store.administration import Administration
    from mailguard.store.portal_sessions import PortalSession, PortalSessions

HANDOUT_SECONDS = 10 * 60.0

_c = handouts.c
_MAKE = insert(handouts)
_MADE = select(_c.id).where(_c.id == bindparam("made"))
_FIND = select(handouts).where(_c.digest == bindparam("wanted"))
_USE = update(handouts).where(_c.id == bindparam("used"), _c.used_at.is_(None))
_PURGE = delete(handouts).where(_c.expires_at < bindparam("now"))


@dataclass(frozen=True, slots=True)
class Handout:
    """One link, without its token. Times are UTC seconds since 1970."""

    id: str
    account_id: str
    label: str  # of the app password that it makes
    life: float | None  # of that, in seconds from its making
    session_id: str  # the portal session that made it: it ends with that
    sealed: bytes | None  # the store password, sealed to the token (auth.vault)
    created_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Open:
    """A link that is good, and the session that made it."""

    handout: Handout
    by: PortalSession


class Handouts:
    """The links, as somebody makes them and a device opens them."""

    def __init__(self, administration: Administration, sessions: PortalSessions) -> None:
        self._by = administration
        self._sessions = sessions

    async def make(self, signed: SignedIn, handout: Handout, digest: bytes) -> None:
        """Keep a new link under the SHA-256 of its token. MadeAlready where there is one of this id."""

        def work(connection: Connection) -> None:
            self._by.demand(connection, signed.name, signed=signed)
            if connection.execute(_MADE, {"made": handout.id}).first() is not None:
                raise MadeAlready("this link was made already, and shown once: make another")
            values = {
                "id": handout.id,
                "account_id": handout.account_id,
                "digest": digest,
                "label": handout.label,
                "life": handout.life,
                "session_id": handout.session_id,
                "sealed": handout.sealed,
                "created_at": handout.created_at,
                "expires_at": handout.expires_at,
                "used_at": None,
            }
            connection.execute(_MAKE, macs.under_mac(self._by.seal, handouts, values))

        await self._by.database.write(work)

    async def find(self, digest: bytes) -> Open | None:
        """The link whose token has this digest, if it is good."""
        return await self._by.database.read(lambda connection: self._good(connection, digest))

    async def use(
        self,
        digest: bytes,
        app_password: AppPassword,
        hashed: KeyedHash,
        *,
        actor: str,
        limit: int | None,
        store_password: Secret | None,
    ) -> bool:
        """Use a link up and keep the app password that it makes. False where it is not good any more; ChangeRefused,
        and it stays good, where the app password cannot be kept."""

        def work(connection: Connection) -> bool:
            good = self._good(connection, digest)
            if good is None:
                return False
            row = connection.execute(_FIND, {"wanted": digest}).mappings().one()
            used = macs.changed(self._by.seal, handouts, row, used_at=self._by.now(), sealed=None)
            connection.execute(_USE, {"used": good.handout.id, **used})
            app_passwords.keep(
                self._by,
                connection,
                good.by.account.name,
                app_password,
                hashed,
                actor=actor,
                limit=limit,
                store_password=store_password,
            )
            return True

        return await self._by.database.write(work)

    def _good(self, connection: Connection, digest: bytes) -> Open | None:
        row = connection.execute(_FIND, {"wanted": digest}).mappings().first()
        if row is None or not macs.fits(self._by.seal, handouts, row):
            return None
        if row[_c.used_at] is not None or self._by.now() >= row[_c.expires_at]:
            return None
        session = self._sessions.standing(connection, row[_c.session_id])
        if session is None or session.account.id != row[_c.account_id]:
            return None
        return Open(_handout(row), session)


def _handout(row: RowMapping) -> Handout:
    return Handout(
        id=row[_c.id],
        account_id=row[_c.account_id],
        label=row[_c.label],
        life=row[_c.life],
        session_id=row[_c.session_id],
        sealed=row[_c.sealed],
        created_at=row[_c.created_at],
        expires_at=row[_c.expires_at],
    )


def purge(connection: Connection, now: float) -> None:
    """Forget those that are over."""
    connection.execute(_PURGE, {"now": now})
