"""API keys: made by owners and operators, listed, revoked; and recognised when a program comes with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.admin.acting import Acting, Means
from mailguard.admin.bureau import NotAllowed, everybody
from mailguard.admin.gate import Act, may_give
from mailguard.auth import api_keys
from mailguard.auth.api_keys import LONGEST_SECONDS, ApiKey
from mailguard.auth.passwords import digests
from mailguard.auth.roles import EVERYTHING, Role
from mailguard.keyring import Purpose
from mailguard.store import Absent, ChangeRefused, new_id

if TYPE_CHECKING:
    from mailguard.admin.bureau import Bureau
    from mailguard.auth.attempt import Origin
    from mailguard.auth.roles import RoleLimit, Scope
    from mailguard.secret import Secret

LONGEST_LABEL = 64


@dataclass(frozen=True, slots=True)
class Issued:
    """A new API key, and its secret, to be shown once."""

    row: ApiKey
    secret: Secret


async def issue(
    bureau: Bureau,
    acting: Acting,
    label: str,
    *,
    seconds: float,
    scopes: frozenset[Scope],
    role: Role,
    limit: RoleLimit | None = None,
    row_id: str | None = None,
) -> Issued:
    """A key for so many seconds, at most a year, that does no more than its maker. No `limit`: its maker's own.
    MadeAlready where there is one of this `row_id`."""
    if not label.strip() or not label.isprintable() or len(label) > LONGEST_LABEL:
        raise ChangeRefused(f"an API key's label has 1 to {LONGEST_LABEL} printable characters: write another")
    if not 0 < seconds <= LONGEST_SECONDS:
        raise ChangeRefused("an API key ends within a year: ask for less")
    if not scopes or role is Role.NONE:
        raise ChangeRefused("an API key has a role and at least one scope: name them")
    current = await bureau.reads(acting)
    reach, now = current.limit if limit is None else limit, bureau.now()
    if denial := may_give(current, role, reach):
        raise NotAllowed(denial)
    key = ApiKey(
        id=row_id or new_id(),
        label=label,
        role=role,
        limit=reach,
        scopes=scopes,
        created_at=now,
        expires_at=now + seconds,
        account_id=acting.account_id,
        issued_by=acting.actor,
        seen_by_operator=acting.means is Means.OPERATOR,
    )
    secret = api_keys.generate()
    digest = api_keys.digest(bureau.keyring, secret)
    await bureau.do(
        acting, Act.MAKE_KEY, everybody, lambda changes: changes.api_keys.issue(key, digest, actor=acting.actor)
    )
    return Issued(key, secret)


async def seen(bureau: Bureau, acting: Acting) -> tuple[ApiKey, ...]:
    """All keys, ended ones too; those that one made oneself, where the own role does not reach everything."""
    current = await bureau.reads(acting)
    return tuple(key for key in await bureau.store.api_keys.list() if _reaches(current, key))


async def revoke(bureau: Bureau, acting: Acting, key_id: str) -> None:
    """It opens nothing from now on. Whoever does not reach everything revokes only what they made."""
    if not any(key.id == key_id for key in await seen(bureau, acting)):
        raise Absent(f"there is no API key {key_id}: see `mailguard api-key list`")
    await bureau.do(
        acting, Act.MAKE_KEY, everybody, lambda changes: changes.api_keys.revoke(key_id, actor=acting.actor)
    )


async def recognise(bureau: Bureau, presented: Secret, origin: Origin) -> Acting | None:
    """Who a program acts as that came with this from there; None where it is no key that may be used now."""
    if not api_keys.looks_like_one(presented.reveal()):
        return None
    offered = digests(bureau.keyring, Purpose.API_KEY, presented.reveal())
    key = await bureau.store.api_keys.find(offered, origin)
    if key is None:
        return None
    return Acting(
        Means.API_KEY,
        f"api-key:{key.id}",
        key.role,
        key.limit,
        account_id=key.account_id,
        key=key.id,
        scopes=key.scopes,
    )


def _reaches(current: Acting, key: ApiKey) -> bool:
    return current.limit == EVERYTHING or (bool(current.account_id) and key.account_id == current.account_id)
