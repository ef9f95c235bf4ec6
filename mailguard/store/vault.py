"""Store passwords, each sealed to one app password (auth.vault): sealed anew, looked up, marked as refused.

No hash of a store password is kept anywhere, for whoever stole database and keys would guess it by that. So there is
nothing to compare a password with: every one that proves right is sealed again, whether it is new or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, exists, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from mailguard.auth import vault as sealing
from mailguard.auth.accounts import VaultEntry
from mailguard.auth.attempt import Verdict
from mailguard.auth.decision import lapsed
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import audit, macs, revocations, rows
from mailguard.store.errors import ChangeRefused
from mailguard.store.revocations import Kind
from mailguard.store.schema import accounts, app_passwords, vault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, RowMapping

    from mailguard.auth.accounts import AccountName, AppPassword
    from mailguard.secret import Secret
    from mailguard.store.administration import Administration
    from mailguard.store.rows import Checked
    from mailguard.store.seal import Seal

RETRY_SECONDS = 15 * 60.0
"""How long a password that the store refused is not offered to it again: devices ask every few minutes, for ever, and
a directory behind the store would lock its account."""

_c = vault.c
_p = app_passwords.c
_SEALABLE = (
    select(app_passwords, accounts.c.name.label("owner"), _c.sealed, _c.refused_at)
    .join(accounts, accounts.c.id == _p.account_id)
    .outerjoin(vault, _c.app_password_id == _p.id)
    .where(
        _p.account_id == bindparam("account"),
        _p.revoked_at.is_(None),
        _p.public.is_not(None),
        # An older copy of a row, put back with a MAC that fits: its thief waits for the new password.
        ~revocations.told(Kind.APP_PASSWORD, _p.id),
    )
)
_put = insert(vault)
_PUT = _put.on_conflict_do_update(
    index_elements=[_c.app_password_id],
    set_={column.name: _put.excluded[column.name] for column in vault.c if not column.primary_key},
)
_ONE = select(vault).where(_c.app_password_id == bindparam("app_password"))
_of_account = _c.app_password_id.in_(select(_p.id).where(_p.account_id == bindparam("account")))
_ALL = select(vault).where(_of_account)
_FORGET = delete(vault).where(_c.app_password_id == bindparam("app_password"))
_MARKED = update(vault).where(_of_account)
_tried = vault.alias()
_UNCHANGED = exists().where(
    _tried.c.app_password_id == bindparam("tried"), _tried.c.sealed == bindparam("tried_sealed")
)
_UNMARKED = select(_UNCHANGED.where(_tried.c.refused_at.is_(None)))
_CLAIM = _MARKED.where(
    # After a clock that went back, a mark lies ahead of it.
    or_(_c.refused_at <= bindparam("due"), _c.refused_at >= bindparam("ahead")),
).values(refused_at=bindparam("now"))
# A sign-in may have renewed the entries while the store thought about the old password: those stay as they are.
_MARK = _MARKED.where(_UNCHANGED).values(refused_at=bindparam("mark"))


def reseal(
    connection: Connection, seal: Seal, account_id: str, password: Secret, now: float, *, actor: str = "system"
) -> int:
    """Seal a store password that has just proved right to every usable app password of the account; to how many.

    Within the caller's transaction. Recorded where it renews what the store had refused, or what was never sealed.
    """
    found = connection.execute(_SEALABLE, {"account": account_id}).mappings().all()
    usable = [row for row in found if _usable(rows.app_password_of(seal, row), now)]
    if not usable:
        return 0
    connection.execute(_PUT, [_sealed(seal, row, password, now) for row in usable])
    if any(row[_c.sealed] is None or row[_c.refused_at] is not None for row in usable):
        detail = f"the store password, to {len(usable)} app passwords"
        renewed = AuditRow(Event.VAULT_SEALED, now, account=usable[0]["owner"], actor=actor, detail=detail)
        audit.append(connection, renewed)
    return len(usable)


def _usable(found: Checked[AppPassword], now: float) -> bool:
    """A row that was altered gets nothing: its public half may be the thief's."""
    return found.intact and not lapsed(found.value, now)


def _sealed(seal: Seal, row: RowMapping, password: Secret, now: float) -> macs.Values:
    values = {
        "app_password_id": row[_p.id],
        "sealed": sealing.seal(row[_p.public], row[_p.id], row[_p.account_id], password),
        "sealed_at": now,
        "refused_at": None,
    }
    return macs.under_mac(seal, vault, values)


def forget(connection: Connection, app_password_id: str) -> None:
    """Its app password has ended: whoever has that device would open a copy of the database with it."""
    connection.execute(_FORGET, {"app_password": app_password_id})


def find(connection: Connection, seal: Seal, app_password_id: str) -> Checked[VaultEntry] | None:
    """What is sealed to an app password."""
    row = connection.execute(_ONE, {"app_password": app_password_id}).mappings().first()
    return None if row is None else rows.vault_entry_of(seal, row)


def rests(entry: VaultEntry, now: float) -> bool:
    """Has the store refused it so lately that it is not asked again?"""
    return entry.refused_at is not None and abs(now - entry.refused_at) < RETRY_SECONDS


def claim(connection: Connection, account_id: str, now: float) -> bool:
    """Take the one question that an account's refused password has after its rest; False where somebody else did."""
    times = {"now": now, "due": now - RETRY_SECONDS, "ahead": now + RETRY_SECONDS}
    return connection.execute(_CLAIM, {"account": account_id, **times}).rowcount > 0


def answered(connection: Connection, account_id: str, entry: VaultEntry, verdict: Verdict, refused: AuditRow) -> None:
    """Mark or unmark an account's entries after what the store said to `entry`; an open question is given back."""
    mark = {Verdict.YES: None, Verdict.NO: refused.at, Verdict.UNAVAILABLE: entry.refused_at}[verdict]
    tried = {"tried": entry.app_password_id, "tried_sealed": entry.sealed}
    first = verdict is Verdict.NO and connection.execute(_UNMARKED, tried).scalar_one()
    connection.execute(_MARK, {"account": account_id, "mark": mark, **tried})
    if first:
        audit.append(connection, refused)


class Vault:
    """The vault, as an administrator sees and renews it."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def entries(self, name: AccountName) -> Mapping[str, VaultEntry]:
        """What is sealed to the app passwords of an account, by their ids. Altered entries are left out."""

        def work(connection: Connection) -> Mapping[str, VaultEntry]:
            account = {"account": self._by.demand(connection, name).id}
            found = connection.execute(_ALL, account).mappings().all()
            checked = (rows.vault_entry_of(self._by.seal, row) for row in found)
            return {entry.value.app_password_id: entry.value for entry in checked if entry.intact}

        return await self._by.database.read(work)

    async def renew(self, name: AccountName, password: Secret, *, actor: str) -> int:
        """Seal a store password, verified by the caller, to every usable app password of the account; to how many."""

        def work(connection: Connection) -> int:
            account = self._by.demand(connection, name)
            count = reseal(connection, self._by.seal, account.id, password, self._by.now(), actor=actor)
            if not count:
                raise ChangeRefused(f"{name} has no usable app password to seal it to: issue one first")
            return count

        return await self._by.database.write(work)
