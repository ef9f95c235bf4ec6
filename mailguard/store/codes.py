"""One-time codes: issued by sets, used once, withdrawn. What they are and how they are hashed: auth.recovery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update

from mailguard.auth.accounts import CodeKind, OneTimeCode
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import audit, macs, rows
from mailguard.store.errors import ChangeRefused, MadeAlready
from mailguard.store.factors import has_factor
from mailguard.store.ids import new_id
from mailguard.store.schema import one_time_codes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection, RowMapping

    from mailguard.auth.accounts import Account, AccountName
    from mailguard.auth.recovery import CodeSet
    from mailguard.auth.standing import SignedIn
    from mailguard.store.administration import Administration
    from mailguard.store.seal import Seal

_c = one_time_codes.c
_ISSUE = insert(one_time_codes)
_OF_ACCOUNT = select(one_time_codes).where(_c.account_id == bindparam("account")).order_by(_c.created_at, _c.id)
_OPEN = _OF_ACCOUNT.where(_c.used_at.is_(None), _c.ended_at.is_(None))
_ONE = select(one_time_codes).where(_c.id == bindparam("code"))
# The one statement that decides which sign-in a code belongs to.
_CHANGE = update(one_time_codes).where(_c.id == bindparam("code"), _c.used_at.is_(None), _c.ended_at.is_(None))


class Codes:
    """The one-time codes, as their owner and an administrator see them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def issue(
        self,
        name: AccountName,
        kind: CodeKind,
        made: CodeSet,
        *,
        actor: str,
        expires_at: float | None = None,
        may_enrol: bool = False,
        instead: str | None = None,
        signed: SignedIn | None = None,
        first_id: str | None = None,
    ) -> tuple[OneTimeCode, ...]:
        """Keep a new set; it ends the account's older codes of this kind. ChangeRefused where the kind makes no sense:
        recovery codes stand in for an authenticator, an enrolment code makes way for the first one. `instead`: the
        newest code that whoever asks knew of; a page that is loaded again must not end what was just written down.
        `first_id`: of the set's first code; MadeAlready where there is one of this id."""

        def work(connection: Connection) -> tuple[OneTimeCode, ...]:
            account = self._by.demand_person(connection, name, signed=signed)
            _demand_sense(connection, account, kind)
            if first_id is not None and connection.execute(_ONE, {"code": first_id}).first() is not None:
                raise MadeAlready("this code was made already, and shown once: make another")
            if instead is not None and instead != _newest(connection, account, kind):
                raise ChangeRefused("new codes were made since this page was loaded: only those made last are good")
            now = self._by.now()
            withdraw(self._by, connection, account, {kind}, actor)
            issued = tuple(
                OneTimeCode(
                    id=first_id if first_id is not None and number == 0 else new_id(),
                    account_id=account.id,
                    kind=kind,
                    salt=made.salt,
                    hash=digest,
                    created_at=now,
                    expires_at=expires_at,
                    may_enrol=may_enrol,
                    issued_by=actor,
                )
                for number, digest in enumerate(made.hashes)
            )
            for code in issued:
                connection.execute(_ISSUE, rows.code_values(self._by.seal, code))
            detail = f"{len(issued)} {kind} code{'s' if len(issued) > 1 else ''}"
            detail += " that may enrol an authenticator" if may_enrol else ""
            self._by.record(connection, Event.CODES_ISSUED, name, actor, credential=issued[0].id, detail=detail)
            return issued

        return await self._by.database.write(work)

    async def list(self, name: AccountName) -> tuple[OneTimeCode, ...]:
        """An account's codes, used and ended ones too, oldest first."""

        def work(connection: Connection) -> tuple[OneTimeCode, ...]:
            account = self._by.demand(connection, name)
            found = connection.execute(_OF_ACCOUNT, {"account": account.id}).mappings()
            return tuple(rows.code_of(self._by.seal, row).value for row in found)

        return await self._by.database.read(work)

    async def keep(self, name: AccountName, kind: CodeKind, *, signed: SignedIn) -> None:
        """Their owner has written the codes down that are there now: there is nothing to remind of any more."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name, signed=signed)
            mine = (_c.account_id == account.id) & (_c.kind == kind.value)
            connection.execute(update(one_time_codes).where(mine, _c.ended_at.is_(None)).values(kept_at=self._by.now()))

        await self._by.database.write(work)


def _newest(connection: Connection, account: Account, kind: CodeKind) -> str:
    found = connection.execute(_OF_ACCOUNT, {"account": account.id}).mappings().all()
    return next((str(row[_c.id]) for row in reversed(found) if row[_c.kind] == kind.value), "")


def usable(
    connection: Connection, seal: Seal, account_id: str, now: float
) -> tuple[Sequence[OneTimeCode], Sequence[OneTimeCode]]:
    """The codes of an account that may be used now; and those whose rows were altered, which never are."""
    found = connection.execute(_OPEN, {"account": account_id}).mappings()
    checked = [rows.code_of(seal, row) for row in found]
    good = [each.value for each in checked if each.intact and each.value.usable(now)]
    return good, [each.value for each in checked if not each.intact]


def use(connection: Connection, seal: Seal, code: OneTimeCode, audit_row: AuditRow) -> bool:
    """Burn a code within the caller's transaction; False where another sign-in did, or it has ended."""
    row = connection.execute(_ONE, {"code": code.id}).mappings().first()
    now = audit_row.at
    if row is None or not rows.code_of(seal, row).value.usable(now) or not _changed(connection, seal, row, used_at=now):
        return False
    audit.append(connection, audit_row)
    return True


def replace(connection: Connection, seal: Seal, used: OneTimeCode, digest: bytes, now: float) -> None:
    """A recovery code in place of one that was used, of the same set (NIST SP 800-63B-4 4.2.1.1)."""
    code = OneTimeCode(new_id(), used.account_id, used.kind, used.salt, digest, now, issued_by=used.issued_by)
    connection.execute(_ISSUE, rows.code_values(seal, code))


def withdraw(
    by: Administration, connection: Connection, account: Account, kinds: Collection[CodeKind], actor: str
) -> None:
    """End an account's codes of these kinds that were not used."""
    found = connection.execute(_OPEN, {"account": account.id}).mappings().all()
    ended = [row for row in found if row[_c.kind] in kinds and _changed(connection, by.seal, row, ended_at=by.now())]
    if ended:
        detail = f"{len(ended)} codes: {', '.join(sorted({row[_c.kind] for row in ended}))}"
        by.record(connection, Event.CODES_WITHDRAWN, account.name, actor, detail=detail)


def _changed(connection: Connection, seal: Seal, row: RowMapping, **new: float) -> bool:
    values = macs.changed(seal, one_time_codes, row, **new)
    return connection.execute(_CHANGE, {"code": row[_c.id], **values}).rowcount == 1


def _demand_sense(connection: Connection, account: Account, kind: CodeKind) -> None:
    name, enrolled = account.name, has_factor(connection, account.id)
    if kind is CodeKind.RECOVERY and not enrolled:
        raise ChangeRefused(f"{name} has no authenticator that a recovery code could stand in for; enrol one first")
    if kind is CodeKind.ENROLMENT and enrolled:
        raise ChangeRefused(
            f"{name} has an authenticator: if it is lost, do `mailguard totp reset {name}` first, "
            f"or `mailguard bypass issue {name} --for 8h --may-enrol`"
        )
