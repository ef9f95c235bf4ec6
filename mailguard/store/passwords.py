"""Users' own passwords, where mailguard is the identity source itself: argon2id hashes, each row under its MAC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert

from mailguard.auth.accounts import AccountKind
from mailguard.auth.events import Event
from mailguard.store import audit, macs
from mailguard.store.accounts import end_by_password
from mailguard.store.errors import ChangeRefused
from mailguard.store.factors import has_factor
from mailguard.store.schema import accounts, passwords

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.auth.accounts import AccountName
    from mailguard.store.administration import Administration

_c = passwords.c
_NEW = insert(passwords)
_SET = _NEW.on_conflict_do_update(
    index_elements=[_c.account_id],
    set_={name: _NEW.excluded[name] for name in ("hash", "set_at", "mac_key", "mac")},
)
_OF_NAME = (
    select(passwords)
    .join(accounts, accounts.c.id == _c.account_id)
    .where(accounts.c.name == bindparam("wanted"), accounts.c.kind == AccountKind.PERSON.value)
)


@dataclass(frozen=True, slots=True)
class Kept:
    """The hash of somebody's own password (PHC string format), and when it was set (UTC seconds)."""

    hash: str
    set_at: float


class Passwords:
    """The passwords, as the identity source asks for them and an administrator or their owner sets them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def find(self, name: AccountName) -> Kept | None:
        """What is kept for a name; None where there is none, or where the row was altered behind our back."""
        by = self._by
        row = await by.database.read(lambda c: c.execute(_OF_NAME, {"wanted": name}).mappings().first())
        if row is None:
            return None
        if macs.fits(by.seal, passwords, row):
            return Kept(row[_c.hash], row[_c.set_at])
        alarm = audit.altered(passwords.name, row[_c.account_id], by.now(), account=name)
        await by.database.write(lambda connection: audit.append(connection, alarm))
        return None

    async def set(self, name: AccountName, hashed: str, *, actor: str, needs_factor: bool) -> None:
        """Keep another password. What the old one opened ends, and what was tried wrongly is forgotten.

        `needs_factor`: it is too short to stand alone. ChangeRefused where the account has no factor.
        """

        def work(connection: Connection) -> None:
            account = self._by.demand_person(connection, name)
            if needs_factor and not has_factor(connection, account.id):
                raise ChangeRefused(
                    f"{name} has no second factor, and a password this short must not stand alone: write a longer one"
                )
            now = self._by.now()
            values = {"account_id": account.id, "hash": hashed, "set_at": now}
            connection.execute(_SET, macs.under_mac(self._by.seal, passwords, values))
            end_by_password(connection, account.id, now)
            self._by.unlock(connection, name)
            self._by.record(connection, Event.PASSWORD_SET, name, actor)

        await self._by.database.write(work)
