"""Grants and permits: which exact strings may open further sessions. Of a string only a keyed hash is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, insert, select, true, update

from mailguard.auth.accounts import Grant
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import audit, macs, revocations
from mailguard.store.errors import Absent, ChangeRefused
from mailguard.store.ids import new_id
from mailguard.store.rows import grant_of, grant_values
from mailguard.store.schema import accounts, grants, sessions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, RowMapping

    from mailguard.auth.accounts import AccountName, KeyedHash
    from mailguard.auth.policy import Policies
    from mailguard.auth.ports import Permit
    from mailguard.auth.standing import SignedIn
    from mailguard.store.administration import Administration
    from mailguard.store.seal import Seal

ENDED_KEPT_SECONDS = 24 * 3600.0

_c = grants.c
_OPEN_SESSIONS = select(func.count()).where(sessions.c.grant_id == _c.id).scalar_subquery()
_NOT_IDLE = _c.idle.is_(None) | (_c.idle_since + _c.idle > bindparam("now")) | (_OPEN_SESSIONS > 0)
live = (_c.ended_at.is_(None), _c.until > bindparam("now"), _NOT_IDLE)
"""What makes a grant pass at `now`. The idle clock runs only while no session of it is open."""

_OPEN = insert(grants)
_OF_STRING = (
    select(grants)
    .where(_c.account_id == bindparam("account"), _c.string == bindparam("string"), *live)
    .order_by(_c.single, _c.opened_at)
)
_LIVE = select(grants).where(_c.id == bindparam("grant"), *live)
_JOIN = update(grants).where(_c.id == bindparam("grant"), _c.second == "")
_USED = update(grants).where(_c.id == bindparam("grant")).values(idle_since=func.max(_c.idle_since, bindparam("at")))
_ENDING = update(grants).where(_c.ended_at.is_(None)).values(ended_at=bindparam("end"), string=None)
_USE = _ENDING.where(_c.id == bindparam("grant"), _c.until > bindparam("end"))
_RUN_OUT = (
    select(grants, accounts.c.name.label("owner"))
    .join(accounts, accounts.c.id == _c.account_id)
    .where(_c.ended_at.is_(None), (_c.until <= bindparam("now")) | ~_NOT_IDLE)
)
_CURBED = (
    select(grants, accounts.c.policy_group.label("of_group"))
    .join(accounts, accounts.c.id == _c.account_id)
    .where(*live, ~_c.single)
)
_CURB = update(grants).where(_c.id == bindparam("grant"), _c.ended_at.is_(None))
_OWNER = select(accounts.c.name).join(grants, accounts.c.id == _c.account_id).where(_c.id == bindparam("grant"))
_LIST = (
    select(grants, accounts.c.name.label("owner"), _OPEN_SESSIONS.label("open"))
    .join(accounts, accounts.c.id == _c.account_id)
    .where(*live)
    .order_by(_c.opened_at, _c.id)
)


def open_grant(connection: Connection, seal: Seal, grant: Grant, string: KeyedHash) -> None:
    """Keep leave for this exact string."""
    connection.execute(_OPEN, grant_values(seal, grant, string))


def leave_permit(connection: Connection, seal: Seal, permit: Permit, now: float) -> None:
    """Keep leave for one session."""
    grant = Grant(new_id(), permit.account_id, permit.device_id, permit.network, now, permit.until, single=True)
    open_grant(connection, seal, grant, permit.string)


def of_string(connection: Connection, seal: Seal, account_id: str, string: KeyedHash, now: float) -> Sequence[Grant]:
    """Live grants of one exact string, from any network; lasting ones first. An altered one is none."""
    found = connection.execute(_OF_STRING, {"account": account_id, "string": string.digest, "now": now})
    return [grant_of(row) for row in found.mappings() if macs.fits(seal, grants, row)]


def live_one(connection: Connection, seal: Seal, grant_id: str, now: float) -> Grant | None:
    """This grant, if it still passes. An altered one does not."""
    row = connection.execute(_LIVE, {"grant": grant_id, "now": now}).mappings().first()
    return None if row is None or not macs.fits(seal, grants, row) else grant_of(row)


def join(connection: Connection, seal: Seal, grant_id: str, network: str, now: float) -> None:
    """Let a live grant's second IP family join."""
    row = connection.execute(_LIVE, {"grant": grant_id, "now": now}).mappings().one()
    connection.execute(_JOIN, {"grant": grant_id, **macs.changed(seal, grants, row, second=network)})


def used(connection: Connection, grant_id: str, now: float) -> None:
    """A session was opened by it: its idle clock begins anew when that ends."""
    connection.execute(_USED, {"grant": grant_id, "at": now})


def use_permit(connection: Connection, grant_id: str, now: float) -> bool:
    """Use a permit up; False where somebody else did, or its time has run out."""
    return connection.execute(_USE, {"grant": grant_id, "end": now}).rowcount == 1


def end(connection: Connection, which: ColumnElement[bool], now: float) -> None:
    """End live grants and erase their hashes. Their sessions end by a revocation of what they stood on."""
    connection.execute(_ENDING.where(which), {"end": now})


def end_one(connection: Connection, grant_id: str, now: float) -> None:
    """End one grant and every session opened with it."""
    end(connection, _c.id == grant_id, now)
    revocations.revoke(connection, revocations.Kind.GRANT, grant_id, now)


def purge(connection: Connection, now: float) -> None:
    """Forget grants a day after their end."""
    connection.execute(delete(grants).where(_c.ended_at < now - ENDED_KEPT_SECONDS))


def owner_of(connection: Connection, grant_id: str) -> str | None:
    """The name of the account that a grant is of."""
    return connection.execute(_OWNER, {"grant": grant_id}).scalar()


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A live grant or permit, as it is listed. `sessions` are open now."""

    account: str
    grant: Grant
    sessions: int


class Grants:
    """The live grants, as an administrator sees them and time ends them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def list(self, name: AccountName | None = None) -> tuple[GrantRow, ...]:
        """All live grants, or one account's, oldest first."""
        query = _LIST.where(true() if name is None else accounts.c.name == name)
        now = {"now": self._by.now()}
        found = await self._by.database.read(lambda connection: connection.execute(query, now).mappings().all())
        return tuple(GrantRow(row["owner"], grant_of(row), row["open"]) for row in found)

    async def revoke(self, grant_id: str, *, actor: str, signed: SignedIn | None = None) -> str:
        """End a grant and every session opened with it, on every worker; whose it was. Whoever `signed` in ends their
        own alone."""

        def work(connection: Connection) -> str:
            now = self._by.now()
            query = _LIST.where(_c.id == grant_id)
            row = connection.execute(query, {"now": now}).mappings().first()
            if signed is not None:
                self._by.demand(connection, signed.name, signed=signed)
                if row is None or row["owner"] != signed.name:
                    raise ChangeRefused("this has ended already")
            if row is None:
                raise Absent(f"there is no grant {grant_id}: see `mailguard grant list`")
            owner: AccountName = row["owner"]
            end_one(connection, grant_id, now)
            self._by.record(connection, Event.GRANT_REVOKED, owner, actor, credential=grant_id)
            return owner

        return await self._by.database.write(work)

    async def expire(self) -> int:
        """End what has run out, and its sessions, and erase its hash; how many those were. Writes only if some did."""
        now = {"now": self._by.now()}
        if not await self._by.database.read(lambda connection: connection.execute(_RUN_OUT, now).first()):
            return 0

        def work(connection: Connection) -> int:
            found = connection.execute(_RUN_OUT, now).mappings().all()
            for row in found:
                self._run_out(connection, row)
            return len(found)

        return await self._by.database.write(work)

    async def curb(self, policies: Policies) -> int:
        """Let no live grant last longer, or idle longer, than its group's policy of now allows; how many that cut
        short. Permits stay: they are for one session, and soon over. Writes only if there is something to cut."""
        now = {"now": self._by.now()}

        def longer(connection: Connection) -> list[tuple[RowMapping, dict[str, float]]]:
            found = connection.execute(_CURBED, now).mappings().all()
            return [(row, less) for row in found if (less := _less(row, policies))]

        def work(connection: Connection) -> int:
            cut = [each for each in longer(connection) if macs.fits(self._by.seal, grants, each[0])]
            for row, less in cut:
                connection.execute(_CURB, {"grant": row[_c.id], **macs.changed(self._by.seal, grants, row, **less)})
            return len(cut)

        return await self._by.database.write(work) if await self._by.database.read(longer) else 0

    def _run_out(self, connection: Connection, row: RowMapping) -> None:
        now, grant = self._by.now(), grant_of(row)
        end_one(connection, grant.id, now)
        if not grant.single:  # that a permit went unused is of no interest
            why = "its hard end" if grant.until <= now else "idle: no session of it was open"
            ended = AuditRow(
                Event.GRANT_ENDED, now, account=row["owner"], actor="system", credential=grant.id, detail=why
            )
            audit.append(connection, ended)


def _less(row: RowMapping, policies: Policies) -> dict[str, float]:
    """What of a grant's life the policy of now cuts off."""
    policy, grant = policies.of_group(row["of_group"]), grant_of(row)
    until = grant.opened_at + (policy.grant_limit or 0.0)
    less = {"until": until} if until < grant.until else {}
    return less | ({"idle": policy.grant_idle} if grant.idle is None or policy.grant_idle < grant.idle else {})
