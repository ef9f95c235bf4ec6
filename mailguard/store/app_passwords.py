"""App passwords: issued, revoked, expired. Only their keyed hash is kept, under a MAC with all that they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, exists, func, insert, select, update

from mailguard.auth.accounts import AccountKind, AccountName
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from mailguard.store import macs, revocations, rows, vault
from mailguard.store.errors import Absent, ChangeRefused, MadeAlready
from mailguard.store.revocations import Kind
from mailguard.store.schema import accounts, app_passwords, members, sessions
from mailguard.store.schema import revocations as revocation_table
from mailguard.store.schema import vault as vault_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, RowMapping

    from mailguard.auth.accounts import Account, AppPassword, KeyedHash
    from mailguard.auth.standing import SignedIn
    from mailguard.secret import Secret
    from mailguard.store.administration import Administration
    from mailguard.store.seal import Seal

USE_NOTED = 0.25  # of the idle limit: how stale the last use may get while a session is open
SEALED_KEPT_SECONDS = 24 * 3600.0
TOLD_SECONDS = 24 * 3600.0  # no session outlives a day without a worker that follows the revocations

_c = app_passwords.c
_lapses = func.coalesce(_c.last_used_at, _c.created_at) + _c.idle
_used_in_time = _c.last_used_at.is_not(None) | _c.first_use_by.is_(None) | (_c.first_use_by > bindparam("now"))
_ISSUE = insert(app_passwords)
_MADE = select(_c.id).where(_c.id == bindparam("made"))
_OF_ACCOUNT = select(app_passwords).where(_c.account_id == bindparam("account")).order_by(_c.created_at, _c.id)
_USABLE = select(func.count()).where(
    _c.account_id == bindparam("account"),
    _c.revoked_at.is_(None),
    _c.expires_at.is_(None) | (_c.expires_at > bindparam("now")),
    _c.idle.is_(None) | (_lapses > bindparam("now")),
    _used_in_time,
)
_HELD = (
    select(app_passwords, accounts.c.name.label("mailbox"))
    .join(accounts, accounts.c.id == _c.account_id)
    .where(_c.person_id == bindparam("person"), _c.revoked_at.is_(None))
    .order_by(_c.created_at, _c.id)
)
_MEMBER = (
    select(accounts.c.name)
    .join(members, members.c.person_id == accounts.c.id)
    .where(members.c.account_id == bindparam("mailbox"), accounts.c.id == bindparam("person"))
)
_RENAME = update(app_passwords).where(_c.id == bindparam("renamed"))
_REVOKE = update(app_passwords).where(_c.id == bindparam("revoked"))
_TOLD = exists().where(revocation_table.c.kind == Kind.EXPIRY.value, revocation_table.c.target == _c.id)
_RAN_OUT = select(_c.id).where(
    _c.revoked_at.is_(None), _c.expires_at <= bindparam("now"), _c.expires_at > bindparam("since"), ~_TOLD
)
# An open session is use: a phone that hangs on one connection for a month has not been idle.
_HELD_OPEN = select(_c.id).where(
    _c.revoked_at.is_(None),
    _lapses > bindparam("now"),
    _lapses - _c.idle * (1 - USE_NOTED) <= bindparam("now"),
    _c.id.in_(select(sessions.c.credential)),
)
_FORGET = delete(vault_table).where(
    vault_table.c.app_password_id.in_(
        select(_c.id).where(
            (_lapses <= bindparam("long_ago"))
            | (_c.last_used_at.is_(None) & (_c.first_use_by <= bindparam("long_ago")))
        )
    )
)
_IN_USE = update(app_passwords).where(_c.id.in_(_HELD_OPEN)).values(last_used_at=bindparam("now"))
_OLD_HASH = select(app_passwords).where(_c.id == bindparam("used"), _c.hash_key != bindparam("newest"))
_REHASH = update(app_passwords).where(_c.id == bindparam("used"))


class AppPasswords:
    """The app passwords, as their owner and an administrator see them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def issue(
        self,
        name: AccountName,
        app_password: AppPassword,
        digest: KeyedHash,
        *,
        actor: str,
        limit: int | None = None,
        store_password: Secret | None = None,
        signed: SignedIn | None = None,
    ) -> None:
        """Keep a new app password of `name`, whose `account_id` it carries. ChangeRefused beyond `limit` usable ones,
        or where it does not fit the kind of account.

        A `store_password`, verified by the caller, is sealed to it and to the account's others.
        """

        def work(connection: Connection) -> None:
            if signed is not None:
                self._by.demand(connection, signed.name, signed=signed)
            keep(
                self._by,
                connection,
                name,
                app_password,
                digest,
                actor=actor,
                limit=limit,
                store_password=store_password,
            )

        await self._by.database.write(work)

    async def demand_fit(self, name: AccountName, app_password: AppPassword) -> None:
        """ChangeRefused where `issue` would refuse it for the kind of its account."""

        def work(connection: Connection) -> None:
            demand_fit(connection, self._by.demand(connection, name), app_password)

        await self._by.database.read(work)

    async def list(self, name: AccountName) -> tuple[AppPassword, ...]:
        """An account's app passwords, revoked and expired ones too, oldest first."""

        def work(connection: Connection) -> tuple[AppPassword, ...]:
            found = _rows_of(connection, self._by.demand(connection, name))
            return tuple(rows.app_password_of(self._by.seal, row).value for row in found)

        return await self._by.database.read(work)

    async def held(self, name: AccountName) -> tuple[tuple[AccountName, AppPassword], ...]:
        """What a person holds at shared mailboxes and is not revoked, oldest first, each after the mailbox's name."""

        def work(connection: Connection) -> tuple[tuple[AccountName, AppPassword], ...]:
            person = self._by.demand(connection, name)
            found = connection.execute(_HELD, {"person": person.id}).mappings().all()
            return tuple((row["mailbox"], rows.app_password_of(self._by.seal, row).value) for row in found)

        return await self._by.database.read(work)

    async def revoke(
        self, name: AccountName, app_password_id: str, *, actor: str, signed: SignedIn | None = None
    ) -> None:
        """It opens nothing from now on, and its sessions end. Repeating it is harmless. Whoever `signed` in revokes
        their own alone, those that they hold at shared mailboxes among them."""

        def work(connection: Connection) -> None:
            row, mailbox, person = self._one(connection, name, app_password_id, signed)
            _revoke(self._by, connection, row, mailbox, actor, person=person)

        await self._by.database.write(work)

    async def rename(
        self, name: AccountName, app_password_id: str, label: str, *, actor: str, signed: SignedIn
    ) -> None:
        """Call it something else."""
        if not label:
            raise ChangeRefused("give it a name, such as that of the device")

        def work(connection: Connection) -> None:
            row, mailbox, person = self._one(connection, name, app_password_id, signed)
            if not macs.fits(self._by.seal, app_passwords, row):
                raise ChangeRefused("this app password was altered in the records: revoke it")
            renamed = macs.changed(self._by.seal, app_passwords, row, label=label)
            connection.execute(_RENAME, {"renamed": app_password_id, **renamed})
            told = {"person": person, "credential": app_password_id, "detail": label}
            self._by.record(connection, Event.APP_PASSWORD_RENAMED, mailbox, actor, **told)

        await self._by.database.write(work)

    async def revoke_all(self, name: AccountName, *, actor: str, signed: SignedIn | None = None) -> int:
        """Revoke every one that is not revoked yet; how many those were. Of whoever `signed` in, those that they hold
        at shared mailboxes too."""

        def work(connection: Connection) -> int:
            account = self._by.demand(connection, name, signed=signed)
            count = revoke_all_of(self._by, connection, account, actor)
            return count + (revoke_held(self._by, connection, account, actor) if signed is not None else 0)

        return await self._by.database.write(work)

    def _one(
        self, connection: Connection, name: AccountName, app_password_id: str, signed: SignedIn | None
    ) -> tuple[RowMapping, AccountName, str]:
        """Its row, the mailbox that it opens, and the person who holds it where that is a shared one."""
        account = self._by.demand(connection, name, signed=signed)
        row = next((row for row in _rows_of(connection, account) if row[_c.id] == app_password_id), None)
        if row is not None:
            return row, name, ""
        held = connection.execute(_HELD, {"person": account.id}).mappings().all() if signed is not None else ()
        for each in held:
            if each[_c.id] == app_password_id:
                return each, each["mailbox"], name
        if signed is not None:
            raise ChangeRefused("there is no such app password of yours any more")
        raise Absent(f"{name} has no app password {app_password_id}: see `mailguard app-password list {name}`")

    async def expire(self) -> int:
        """End the sessions of app passwords that have run out; how many ran out. Writes only if some did."""
        now = self._by.now()
        times = {"now": now, "since": now - TOLD_SECONDS}
        ran_out = await self._by.database.read(lambda connection: connection.execute(_RAN_OUT, times).all())
        if not ran_out:
            return 0

        def work(connection: Connection) -> int:
            found = connection.execute(_RAN_OUT, times).scalars().all()
            for app_password_id in found:
                revocations.revoke(connection, Kind.EXPIRY, app_password_id, now)
                vault.forget(connection, app_password_id)
            return len(found)

        return await self._by.database.write(work)

    async def keep_open(self) -> int:
        """Note the use of app passwords with an idle limit by the sessions that they hold open; how many those were."""
        now = {"now": self._by.now()}
        if not await self._by.database.read(lambda connection: connection.execute(_HELD_OPEN, now).all()):
            return 0
        return await self._by.database.write(lambda connection: connection.execute(_IN_USE, now).rowcount)


def keep(
    by: Administration,
    connection: Connection,
    name: AccountName,
    app_password: AppPassword,
    digest: KeyedHash,
    *,
    actor: str,
    limit: int | None,
    store_password: Secret | None,
) -> None:
    """What AppPasswords.issue() says, within the caller's transaction."""
    account = by.demand(connection, name)
    if connection.execute(_MADE, {"made": app_password.id}).first() is not None:
        raise MadeAlready("this app password was made already, and shown once: revoke it, or add another")
    if account.id != app_password.account_id:
        raise ChangeRefused(f"{name} was removed and added again meanwhile: issue the app password again")
    person = demand_fit(connection, account, app_password)
    usable = connection.execute(_USABLE, {"account": account.id, "now": by.now()}).scalar_one()
    if limit is not None and usable >= limit:
        raise ChangeRefused(f"{name} has {usable} app passwords, the most that policy allows: revoke one first")
    connection.execute(_ISSUE, rows.app_password_values(by.seal, app_password, digest))
    by.record(
        connection,
        Event.APP_PASSWORD_ISSUED,
        name,
        actor,
        person=person,
        credential=app_password.id,
        detail=f"{app_password.label} for {', '.join(sorted(app_password.protocols))}",
    )
    if store_password is not None:
        vault.reseal(connection, by.seal, account.id, store_password, by.now(), actor=actor)


def demand_fit(connection: Connection, account: Account, made: AppPassword) -> str:
    """Refuse what a kind of account must not have; the name of the person whose it is, of a shared mailbox."""
    if made.client_lock and made.protocols != {MailProtocol.IMAP}:
        raise ChangeRefused("only IMAP clients name themselves: a client lock needs --protocol imap")
    match account.kind:
        case AccountKind.SHARED:
            pair = {"mailbox": account.id, "person": made.person_id}
            person = connection.execute(_MEMBER, pair).scalar()
            if person is None:
                raise ChangeRefused(
                    f"{account.name} is a shared mailbox: say --person and one of its people; a new one is named "
                    f"by `mailguard account set {account.name} --member PERSON`"
                )
            return str(person)
        case AccountKind.SERVICE if len(made.protocols) != 1 or not made.networks:
            raise ChangeRefused(
                f"{account.name} is a service account: its app passwords need one --protocol and a --network"
            )
    if made.person_id:
        raise ChangeRefused(f"{account.name} is a {account.kind} account: --person is for shared mailboxes")
    return ""


def revoke_held(
    by: Administration, connection: Connection, person: Account, actor: str, *, mailbox: Account | None = None
) -> int:
    """Revoke what a person holds at shared mailboxes, or at one, within the caller's transaction; how many."""
    found = connection.execute(_HELD, {"person": person.id}).mappings().all()
    held = [row for row in found if mailbox is None or row[_c.account_id] == mailbox.id]
    for row in held:
        _revoke(by, connection, row, AccountName(row["mailbox"]), actor, person=person.name)
    return len(held)


def renew_hash(connection: Connection, seal: Seal, app_password_id: str, newest: KeyedHash, now: float) -> None:
    """At its use an app password's hash moves on to the newest generation. Only then: the secret is known only then."""
    generation = seal.keyring.newest
    # Not at once after a rotation: a worker that has yet to take it over would not find the row any more.
    if newest.key_id != generation.id or not generation.settled(now):
        return
    row = connection.execute(_OLD_HASH, {"used": app_password_id, "newest": newest.key_id}).mappings().first()
    if row is not None and macs.fits(seal, app_passwords, row):
        renewed = macs.changed(seal, app_passwords, row, hash_key=newest.key_id, hash=newest.digest)
        connection.execute(_REHASH, {"used": app_password_id, **renewed})


def revoke_all_of(by: Administration, connection: Connection, account: Account, actor: str) -> int:
    """Revoke every app password of an account within the caller's transaction."""
    found = [row for row in _rows_of(connection, account) if row[_c.revoked_at] is None]
    for row in found:
        _revoke(by, connection, row, account.name, actor)
    return len(found)


def purge(connection: Connection, now: float) -> None:
    """Forget what is sealed to app passwords that lapsed for want of use, a day later: a clock may have been wrong."""
    connection.execute(_FORGET, {"long_ago": now - SEALED_KEPT_SECONDS})


def _rows_of(connection: Connection, account: Account) -> Sequence[RowMapping]:
    return connection.execute(_OF_ACCOUNT, {"account": account.id}).mappings().all()


def _revoke(
    by: Administration, connection: Connection, row: RowMapping, name: AccountName, actor: str, *, person: str = ""
) -> None:
    now = by.now()
    if row[_c.revoked_at] is None:
        connection.execute(
            _REVOKE, {"revoked": row[_c.id], **macs.changed(by.seal, app_passwords, row, revoked_at=now)}
        )
    revocations.revoke(connection, Kind.APP_PASSWORD, row[_c.id], now)
    vault.forget(connection, row[_c.id])
    told = {"person": person, "credential": row[_c.id], "detail": row[_c.label]}
    by.record(connection, Event.APP_PASSWORD_REVOKED, name, actor, **told)
