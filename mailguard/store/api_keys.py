"""API keys: kept as a keyed hash under a MAC, found, used, revoked. A key does what its maker may do at that moment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, or_, select, update

from mailguard.auth.accounts import AccountName
from mailguard.auth.api_keys import ApiKey, lesser, narrower
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.auth.roles import Role, RoleLimit, Scope
from mailguard.store import audit, macs, rows
from mailguard.store.errors import Absent, MadeAlready
from mailguard.store.portal_schema import api_keys
from mailguard.store.schema import accounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, RowMapping

    from mailguard.auth.accounts import Account, KeyedHash
    from mailguard.auth.attempt import Origin
    from mailguard.store.administration import Administration
    from mailguard.store.seal import Seal

USED_GRAIN = 60.0  # the last use is noted so often
ENDED = "this API key has ended: make another one"

_c = api_keys.c
_ISSUE = insert(api_keys)
_LIST = select(api_keys).order_by(_c.created_at, _c.id)
_ONE = select(api_keys).where(_c.id == bindparam("key"))
_OF_MAKER = select(api_keys).where(_c.account_id == bindparam("maker"), _c.revoked_at.is_(None))
_FOUND = select(api_keys).where(_c.hash.in_(bindparam("digests", expanding=True)))
_CHANGE = update(api_keys).where(_c.id == bindparam("key"))
_USED = (
    update(api_keys)
    .where(_c.id == bindparam("key"), or_(_c.last_used_at.is_(None), _c.last_used_at <= bindparam("before")))
    .values(last_used_at=bindparam("at"), last_used_from=bindparam("whence"))
)
_MAKER = select(accounts).where(accounts.c.id == bindparam("maker"))


class ApiKeys:
    """The API keys, as whoever makes them sees them, and as the API finds them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def issue(self, key: ApiKey, digest: KeyedHash, *, actor: str) -> None:
        """Keep a new one. What it may be, its maker decides (admin.keys). MadeAlready where there is one of this id."""

        def work(connection: Connection) -> None:
            if connection.execute(_ONE, {"key": key.id}).first() is not None:
                raise MadeAlready("this key was made already, and shown once: make another")
            connection.execute(_ISSUE, _values(self._by.seal, key, digest))
            detail = f"{key.label}: {key.role} of {str(key.limit) or 'everything'}, {' '.join(sorted(key.scopes))}"
            name = _maker_name(self._by, connection, key.account_id)
            self._by.record(connection, Event.API_KEY_ISSUED, name, actor, credential=key.id, detail=detail)

        await self._by.database.write(work)

    async def list(self) -> tuple[ApiKey, ...]:
        """All, ended ones too, oldest first."""
        found = await self._by.database.read(lambda connection: connection.execute(_LIST).mappings().all())
        return tuple(_key_of(self._by.seal, row).value for row in found)

    async def revoke(self, key_id: str, *, actor: str) -> None:
        """It opens nothing from now on. Repeating it is harmless."""

        def work(connection: Connection) -> None:
            row = connection.execute(_ONE, {"key": key_id}).mappings().first()
            if row is None:
                raise Absent(f"there is no API key {key_id}: see `mailguard api-key list`")
            _revoke(self._by, connection, row, actor)

        await self._by.database.write(work)

    async def find(self, digests: Sequence[KeyedHash], origin: Origin) -> ApiKey | None:
        """The key with this hash, newest generation first, with the role and limit that it has now; its use is noted.
        None where it has ended, or its row was altered behind our back."""
        now = self._by.now()
        wanted = {"digests": [digest.digest for digest in digests]}
        row = await self._by.database.read(lambda connection: connection.execute(_FOUND, wanted).mappings().first())
        if row is None:
            return None
        checked = _key_of(self._by.seal, row)
        if not checked.intact:
            alarm = audit.altered(api_keys.name, checked.value.id, now)
            await self._by.database.write(lambda connection: audit.append(connection, alarm))
            return None
        current = await self._by.database.read(lambda connection: today(self._by, connection, checked.value.id))
        last = checked.value.last_used_at
        if current is not None and (last is None or now - last >= USED_GRAIN or row[_c.hash_key] != digests[0].key_id):
            await self._by.database.write(lambda connection: self._use(connection, current, digests[0], origin))
        return current

    def _use(self, connection: Connection, key: ApiKey, newest: KeyedHash, origin: Origin) -> None:
        now, seal = self._by.now(), self._by.seal
        row = connection.execute(_ONE, {"key": key.id}).mappings().first()
        if row is None or not macs.fits(seal, api_keys, row):
            return
        first = row[_c.last_used_at] is None
        times = {"key": key.id, "at": now, "before": now - USED_GRAIN, "whence": str(origin.address)}
        connection.execute(_USED, times)
        # As of an app password (store.app_passwords.renew_hash): only now is the secret known.
        if row[_c.hash_key] != newest.key_id == seal.keyring.newest.id and seal.keyring.newest.settled(now):
            renewed = macs.changed(seal, api_keys, row, hash_key=newest.key_id, hash=newest.digest)
            connection.execute(_CHANGE, {"key": key.id, **renewed})
        if first:
            name, actor = _maker_name(self._by, connection, key.account_id), f"api-key:{key.id}"
            told = AuditRow(
                Event.API_KEY_FIRST_USED, now, account=name, actor=actor, origin=origin, credential=key.id,
                detail=key.label,
            )  # fmt: skip
            audit.append(connection, told)


def today(by: Administration, connection: Connection, key_id: str) -> ApiKey | None:
    """A key that may be used now, with no more role and limit than its maker has left; None where nothing is left."""
    row = connection.execute(_ONE, {"key": key_id}).mappings().first()
    if row is None:
        return None
    checked = _key_of(by.seal, row)
    key = checked.value
    if not checked.intact or not key.usable(by.now()):
        return None
    if not key.account_id:
        return key
    found = connection.execute(_MAKER, {"maker": key.account_id}).mappings().first()
    maker = None if found is None else rows.account_of(by.seal, found).value
    if maker is None or maker.suspended or not maker.administrator:
        return None
    limit = narrower(key.limit, maker.role_limit)
    return None if limit is None else replace(key, role=lesser(key.role, maker.role), limit=limit)


def revoke_of(by: Administration, connection: Connection, maker: Account, actor: str) -> None:
    """Revoke what an administrator made, within the caller's transaction: they are one no more."""
    for row in connection.execute(_OF_MAKER, {"maker": maker.id}).mappings().all():
        _revoke(by, connection, row, actor)


def _revoke(by: Administration, connection: Connection, row: RowMapping, actor: str) -> None:
    if row[_c.revoked_at] is not None:
        return
    connection.execute(_CHANGE, {"key": row[_c.id], **macs.changed(by.seal, api_keys, row, revoked_at=by.now())})
    name = _maker_name(by, connection, row[_c.account_id])
    by.record(connection, Event.API_KEY_REVOKED, name, actor, credential=row[_c.id], detail=row[_c.label])


def _maker_name(by: Administration, connection: Connection, account_id: str) -> AccountName:
    row = connection.execute(_MAKER, {"maker": account_id}).mappings().first() if account_id else None
    return AccountName("") if row is None else rows.account_of(by.seal, row).value.name


def _values(seal: Seal, key: ApiKey, digest: KeyedHash) -> macs.Values:
    values = {
        "id": key.id,
        "account_id": key.account_id,
        "label": key.label,
        "role": key.role.value,
        "role_limit": str(key.limit),
        "scopes": " ".join(sorted(key.scopes)),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "issued_by": key.issued_by,
        "seen_by_operator": key.seen_by_operator,
        "hash_key": digest.key_id,
        "hash": digest.digest,
        "last_used_at": key.last_used_at,
        "last_used_from": key.last_used_from,
    }
    return macs.under_mac(seal, api_keys, values)


def _key_of(seal: Seal, row: RowMapping) -> rows.Checked[ApiKey]:
    """An altered one does nothing, and counts as revoked."""
    intact = macs.fits(seal, api_keys, row)
    key = ApiKey(
        id=row[_c.id],
        label=row[_c.label],
        role=Role(row[_c.role]) if intact else Role.NONE,
        limit=RoleLimit.parse(row[_c.role_limit]) if intact else RoleLimit(),
        scopes=frozenset(map(Scope, row[_c.scopes].split())) if intact else frozenset(),
        created_at=row[_c.created_at],
        expires_at=row[_c.expires_at],
        account_id=row[_c.account_id],
        revoked_at=row[_c.revoked_at] if intact else row[_c.created_at],
        issued_by=row[_c.issued_by],
        seen_by_operator=row[_c.seen_by_operator],
        last_used_at=row[_c.last_used_at],
        last_used_from=row[_c.last_used_from],
    )
    return rows.Checked(key, intact)
