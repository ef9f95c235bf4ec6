"""Claim links: each makes one app password for whoever opens it, once, after signing in. Only a keyed hash is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select, update

from mailguard.auth.accounts import AccountKind, AccountName, AppPassword
from mailguard.auth.events import Event
from mailguard.store import app_passwords, macs, rows
from mailguard.store.errors import ChangeRefused, MadeAlready
from mailguard.store.schema import accounts, claims

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailguard.auth.accounts import Claim, KeyedHash
    from mailguard.auth.standing import SignedIn
    from mailguard.secret import Secret
    from mailguard.store.administration import Administration
    from mailguard.store.seal import Seal

CLAIM_SECONDS = 24 * 3600.0
KEPT_SECONDS = 30 * 24 * 3600.0

_c = claims.c
_ISSUE = insert(claims)
_MADE = select(_c.id).where(_c.id == bindparam("made"))
_FOUND = (
    select(claims, accounts.c.name.label("mailbox"))
    .join(accounts, accounts.c.id == _c.account_id)
    .where(_c.hash.in_(bindparam("digests", expanding=True)))
)
_ONE = select(claims).where(_c.id == bindparam("claim"))
_USE = update(claims).where(_c.id == bindparam("claim"), _c.used_at.is_(None))
_WITHDRAW = delete(claims).where(_c.account_id == bindparam("account"), _c.used_at.is_(None))
_PURGE = delete(claims).where(_c.expires_at < bindparam("old"))


class Claims:
    """The claim links, as an administrator makes them and their owner opens them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def issue(self, name: AccountName, claim: Claim, digest: KeyedHash, *, actor: str) -> None:
        """Keep a new link for `name`, whose `account_id` it carries. ChangeRefused where nobody could open it;
        MadeAlready where there is one of this id."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name)
            if connection.execute(_MADE, {"made": claim.id}).first() is not None:
                raise MadeAlready("this link was made already, and shown once: make another")
            if account.id != claim.account_id:
                raise ChangeRefused(f"{name} was removed and added again meanwhile: make the link again")
            if account.kind is AccountKind.SERVICE:
                raise ChangeRefused(f"{name} is a service account, which nobody signs in to: issue it without --claim")
            person = app_passwords.demand_fit(connection, account, app_password_of(claim, "", self._by.now()))
            connection.execute(_ISSUE, rows.claim_values(self._by.seal, claim, digest))
            detail = f"{claim.label} for {', '.join(sorted(claim.protocols))}"
            self._by.record(
                connection, Event.CLAIM_ISSUED, name, actor, person=person, credential=claim.id, detail=detail
            )

        await self._by.database.write(work)

    async def find(self, digests: Sequence[KeyedHash]) -> tuple[Claim, AccountName] | None:
        """The link with this hash, used or run out or not, and the mailbox it is for; none where its row was altered.

        What it holds is for its owner alone.
        """
        wanted = {"digests": [digest.digest for digest in digests]}
        row = await self._by.database.read(lambda connection: connection.execute(_FOUND, wanted).mappings().first())
        if row is None:
            return None
        checked = rows.claim_of(self._by.seal, row)
        return (checked.value, AccountName(row["mailbox"])) if checked.intact else None

    async def redeem(
        self,
        name: AccountName,
        claim: Claim,
        app_password: AppPassword,
        digest: KeyedHash,
        *,
        actor: str,
        signed: SignedIn,
        limit: int | None,
        store_password: Secret | None,
    ) -> bool:
        """Use a link up and keep the app password that it makes for mailbox `name`. False where somebody else used it,
        or its time has run out; ChangeRefused, and it can be opened again, where the app password cannot be kept."""

        def work(connection: Connection) -> bool:
            self._by.demand(connection, signed.name, signed=signed)
            if not _use(connection, self._by.seal, claim.id, self._by.now()):
                return False
            self._by.record(connection, Event.CLAIM_USED, name, actor, credential=claim.id, detail=claim.label)
            app_passwords.keep(
                self._by,
                connection,
                name,
                app_password,
                digest,
                actor=actor,
                limit=limit,
                store_password=store_password,
            )
            return True

        return await self._by.database.write(work)


def app_password_of(claim: Claim, row_id: str, now: float) -> AppPassword:
    """The app password that a link makes."""
    return AppPassword(
        id=row_id,
        account_id=claim.account_id,
        label=claim.label,
        protocols=claim.protocols,
        networks=claim.networks,
        created_at=now,
        expires_at=None if claim.life is None else now + claim.life,
        idle=claim.idle,
        issued_by=claim.issued_by,
        person_id=claim.person_id,
        client_lock=claim.client_lock,
    )


def _use(connection: Connection, seal: Seal, claim_id: str, now: float) -> bool:
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
