"""The moment a granted login is committed: everything it consumes, opens, refunds and records, or nothing of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, exists, select, update
from sqlalchemy.dialects.sqlite import insert

from mailguard.auth.accounts import Account, AccountKind, Grant
from mailguard.auth.attempt import Admission, Factor
from mailguard.auth.events import Event
from mailguard.auth.grants import Reach, reach
from mailguard.auth.ports import AuditRow, Lost
from mailguard.store import audit, grant_sessions, grants, questions, rows, throttle, vault
from mailguard.store.app_passwords import renew_hash
from mailguard.store.factors import has_factor
from mailguard.store.ids import new_id
from mailguard.store.prepared import Prepared
from mailguard.store.revocations import revoked_since
from mailguard.store.schema import accounts, app_passwords, devices

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.auth.accounts import AccountName
    from mailguard.auth.ports import Entry, Winning
    from mailguard.store.seal import Seal

_CREATE = insert(accounts).on_conflict_do_nothing(index_elements=[accounts.c.name])
_BY_NAME = select(accounts).where(accounts.c.name == bindparam("wanted"))
# SECURITY.md, promise 3: the one statement that decides which login a code belongs to.
_CONSUME = (
    update(devices)
    .where(
        devices.c.id == bindparam("device"),
        devices.c.account_id == bindparam("account"),
        devices.c.confirmed_at.is_not(None),
        devices.c.last_step < bindparam("step"),
    )
    .values(last_step=bindparam("step"))
)
_IN_FORCE = Prepared(
    select(
        exists().where(
            app_passwords.c.id == bindparam("credential"),
            app_passwords.c.revoked_at.is_(None),
            app_passwords.c.expires_at.is_(None) | (app_passwords.c.expires_at > bindparam("at")),
        )
    )
)
# Asked only where the facts saw it unused. Of several connections that a new device opens at once, one is its first.
_FIRST_USE = (
    update(app_passwords)
    .where(app_passwords.c.id == bindparam("credential"), app_passwords.c.last_used_at.is_(None))
    .values(last_used_at=bindparam("at"))
)


class EntryLost(Exception):
    """Unwinds to the ledger, which undoes whatever the entry has done so far."""

    def __init__(self, why: Lost) -> None:
        super().__init__(why.value)
        self.why = why


def admit(connection: Connection, seal: Seal, entry: Entry) -> Admission:
    """Commit an entry within the caller's transaction; EntryLost where it does not win."""
    account_id = entry.account_id or first_account(connection, seal, entry.name, entry.group, entry.audit.at)
    stands_on = {"credential": entry.credential, "device": entry.device, "person": entry.person}
    if entry.factor.by_password:
        stands_on["password"] = account_id
    if entry.factor.bare:
        stands_on["bare"] = account_id
    if revoked_since(connection, entry.revision, account=account_id, **stands_on):
        raise EntryLost(Lost.REVOKED)
    admission = _stand(connection, seal, entry, account_id)
    if admission.factor.by_code:
        grant_sessions.enter(connection, entry, admission)
    throttle.refund(connection, entry.stake)
    questions.saw(connection, entry.place, entry.audit.at)
    if entry.store_password is not None:
        vault.reseal(connection, seal, account_id, entry.store_password, entry.audit.at)
    row = entry.audit
    if admission.factor is not entry.factor:
        row = replace(row, factor=admission.factor, credential=admission.credential)
    audit.append(connection, row)
    return admission


def first_account(connection: Connection, seal: Seal, name: AccountName, group: str, at: float) -> str:
    """The account of a name whose first right password has come; another process may have made it meanwhile."""
    account = Account(new_id(), name, group=group, created_at=at)
    if connection.execute(_CREATE, rows.account_values(seal, account)).rowcount == 1:
        detail = "its first right password came"
        audit.append(connection, AuditRow(Event.ACCOUNT_ADDED, at, account=name, actor="system", detail=detail))
        return account.id
    found = connection.execute(_BY_NAME, {"wanted": name}).mappings().one()
    there = rows.account_of(seal, found).value
    # Made meanwhile by an administrator, in a standing that the decision did not know of.
    plain = there.kind is AccountKind.PERSON and there.group == group
    if not plain or there.suspended or there.factor_required or there.administrator:
        raise EntryLost(Lost.REVOKED)
    return there.id


def consume(connection: Connection, device_id: str, account_id: str, step: int) -> bool:
    """Use a step up; False where it was used, or the authenticator is gone."""
    used = {"device": device_id, "account": account_id, "step": step}
    return connection.execute(_CONSUME, used).rowcount == 1


def _stand(connection: Connection, seal: Seal, entry: Entry, account_id: str) -> Admission:
    """Consume or check what the login stands on."""
    now, credential = entry.audit.at, entry.credential
    match entry.factor:
        case Factor.CODE if entry.winning is not None:
            return _by_code(connection, seal, entry, account_id)
        case Factor.GRANT if entry.permit:
            if not grants.use_permit(connection, entry.permit, now):
                raise EntryLost(Lost.PERMIT_USED)
        case Factor.GRANT:
            grant = grants.live_one(connection, seal, credential, now)
            if grant is None:
                raise EntryLost(Lost.REVOKED)
            _open_under(connection, seal, entry, grant)
        case Factor.APP_PASSWORD:
            return _by_app_password(connection, seal, entry)
        case _:
            # A bare password, decided before an authenticator was confirmed that now stands in its way.
            if has_factor(connection, account_id):
                raise EntryLost(Lost.REVOKED)
    return Admission(entry.name, account_id, entry.factor, credential, entry.device, entry.revision)


def _by_app_password(connection: Connection, seal: Seal, entry: Entry) -> Admission:
    row, app_password = entry.audit, entry.app_password
    assert app_password is not None
    first = {"credential": app_password.id, "at": row.at}
    if entry.first_use and connection.execute(_FIRST_USE, first).rowcount == 1:
        audit.append(connection, replace(row, event=Event.APP_PASSWORD_FIRST_USED, daily=False))
    if not _IN_FORCE.scalar(connection, first):
        raise EntryLost(Lost.REVOKED)
    if entry.digest is not None:
        renew_hash(connection, seal, app_password.id, entry.digest, row.at)
    return Admission(
        name=entry.name,
        account_id=app_password.account_id,
        factor=entry.factor,
        credential=app_password.id,
        device="",
        revision=entry.revision,
        person=entry.person,
        person_name=row.person,
        client_lock=app_password.client_lock,
        client_bound=app_password.client_bound,
        daily=row.daily,
    )


def _by_code(connection: Connection, seal: Seal, entry: Entry, account_id: str) -> Admission:
    now, winning = entry.audit.at, entry.winning
    assert winning is not None
    if not consume(connection, winning.device_id, account_id, winning.step):
        return _by_grant(connection, seal, entry, winning, account_id)
    credential = ""
    if winning.grant_until is not None:
        credential = new_id()
        grant = Grant(
            id=credential,
            account_id=account_id,
            device_id=winning.device_id,
            network=winning.network,
            opened_at=now,
            until=winning.grant_until,
            idle=winning.grant_idle,
            idle_since=now,
        )
        grants.open_grant(connection, seal, grant, winning.string)
    return Admission(entry.name, account_id, Factor.CODE, credential, winning.device_id, entry.revision)


def _by_grant(connection: Connection, seal: Seal, entry: Entry, winning: Winning, account_id: str) -> Admission:
    """The step is gone. If the very same string took it, from the same network, this login is its second connection."""
    alike = grants.of_string(connection, seal, account_id, winning.string, entry.audit.at)
    if not alike:
        raise EntryLost(Lost.STEP_USED)
    here = next((grant for grant in alike if _reach(grant, entry) is not Reach.ELSEWHERE), None)
    if here is None:
        raise EntryLost(Lost.ELSEWHERE)
    if here.single:
        if not grants.use_permit(connection, here.id, entry.audit.at):
            raise EntryLost(Lost.PERMIT_USED)
    else:
        _open_under(connection, seal, entry, here)
    return Admission(entry.name, account_id, Factor.GRANT, here.id, here.device_id, entry.revision)


def _open_under(connection: Connection, seal: Seal, entry: Entry, grant: Grant) -> None:
    """Another session under a grant. Its second family joins here: of two networks that come at once, one does."""
    now, origin = entry.audit.at, entry.audit.origin
    assert origin is not None
    match _reach(grant, entry):
        case Reach.ELSEWHERE:
            raise EntryLost(Lost.ELSEWHERE)
        case Reach.JOINING:
            grants.join(connection, seal, grant.id, origin.network, now)
        case Reach.HERE:
            pass
    grants.used(connection, grant.id, now)


def _reach(grant: Grant, entry: Entry) -> Reach:
    assert entry.audit.origin is not None
    return reach(grant, entry.audit.origin, entry.audit.at)
