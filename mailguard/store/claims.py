"""Claim links: each makes one app password for whoever opens it, once, after signing in. Only a keyed hash is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select, update

from mailguard.auth.events import Event
from mailguard.store import macs, rows
from mailguard.store.errors import ChangeRefused
from mailguard.store.schema import claims

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailguard.auth.accounts import AccountName, Claim, KeyedHash
    from mailguard.store.administration import Administration
    from mailguard.store.seal import Seal

CLAIM_SECONDS = 24 * 3600.0
KEPT_SECONDS = 30 * 24 * 3600.0

_c = claims.c
_ISSUE = insert(claims)
_FOUND = select(claims).where(_c.hash.in_(bindparam("digests", expanding=True)))
_ONE = select(claims).where(_c.id == bindparam("claim"))
_USE = update(claims).where(_c.id == bindparam("claim"), _c.used_at.is_(None))
_WITHDRAW = delete(claims).where(_c.account_id == bindparam("account"), _c.used_at.is_(None))
_PURGE = delete(claims).where(_c.expires_at < bindparam("old"))


class Claims:
    """The claim links, as an administrator makes them and their owner opens them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def issue(self, name: AccountName, claim: Claim, digest: KeyedHash, *, actor: str) -> None:
        """Keep a new link for `name`, whose `account_id` it carries."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name)
            if account.id != claim.account_id:
                raise ChangeRefused(f"{name} was removed and added again meanwhile: make the link again")
            connection.execute(_ISSUE, rows.claim_values(self._by.seal, claim, digest))
            detail = f"{claim.label} for {', '.join(sorted(claim.protocols))}"
            self._by.record(connection, Event.CLAIM_ISSUED, name, actor, credential=claim.id, detail=detail)

        await self._by.database.write(work)

    async def find(self, digests: Sequence[KeyedHash]) -> Claim | None:
        """The link with this hash, used or run out or not; none where its row was altered."""
        wanted = {"digests": [digest.digest for digest in digests]}
        row = await self._by.database.read(lambda connection: connection.execute(_FOUND, wanted).mappings().first())
        if row is None:
            return None
        checked = rows.claim_of(self._by.seal, row)
        return checked.value if checked.intact else None


def use(connection: Connection, seal: Seal, claim_id: str, now: float) -> bool:
    """Use a link up within the caller's transaction; False where somebody else did, or its time has run out."""
    row = connection.execute(_ONE, {"claim": claim_id}).mappings().first()
    if row is None:
        return False
    checked = rows.claim_of(seal, row)
    if not checked.intact or now >= checked.value.expires_at:
        return False
    used = macs.changed(seal, claims, row, used_at=now)
    return connection.execute(_USE, {"claim": claim_id, **used}).rowcount == 1


def withdraw(connection: Connection, account_id: str) -> None:
    """End an account's links that were not used."""
    connection.execute(_WITHDRAW, {"account": account_id})


def purge(connection: Connection, now: float) -> None:
    """Forget links a month after their end."""
    connection.execute(_PURGE, {"old": now - KEPT_SECONDS})
