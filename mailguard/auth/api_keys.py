"""API keys: what programs of administrators come with. Made, recognised, hashed.

`mgk_` so that a scanner of leaked secrets knows one, then 28 characters of an alphabet without look-alikes: 140 bits,
enough for a plain keyed hash (NIST SP 800-63B-4 3.1.2.2).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.auth.accounts import KeyedHash
from mailguard.auth.roles import Role, RoleLimit
from mailguard.keyring import ALPHABET, Keyring, Purpose
from mailguard.secret import Secret

if TYPE_CHECKING:
    from mailguard.auth.roles import Scope

PREFIX = "mgk_"
LENGTH = 28
LONGEST_SECONDS = 365 * 24 * 3600.0

_SHAPE = re.compile(rb"%b[%b]{%d}" % (PREFIX.encode(), ALPHABET.encode(), LENGTH))
_MIGHT = (Role.NONE, Role.AUDITOR, Role.HELPDESK, Role.OWNER)  # each does whatever those before it do


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key's row, without its secret. Times are UTC seconds since 1970."""

    id: str
    label: str
    role: Role
    limit: RoleLimit
    scopes: frozenset[Scope]
    created_at: float
    expires_at: float
    account_id: str = ""  # of the administrator who made it: it does what they may; "": an operator's
    revoked_at: float | None = None
    issued_by: str = ""
    seen_by_operator: bool = False
    last_used_at: float | None = None
    last_used_from: str = ""

    def usable(self, now: float) -> bool:
        """Not revoked, not past its end."""
        return self.revoked_at is None and now < self.expires_at


def generate() -> Secret:
    """A new one."""
    return Secret((PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))).encode())


def looks_like_one(presented: bytes) -> bool:
    """Can this be an API key at all? Programs do not mistype: it is taken as it is, or not."""
    return _SHAPE.fullmatch(presented) is not None


def digest(keyring: Keyring, key: Secret) -> KeyedHash:
    """The hash to store, under the newest key."""
    return KeyedHash(keyring.newest.id, keyring.digest(Purpose.API_KEY, key.reveal()))


def lesser(one: Role, other: Role) -> Role:
    """The role that does less."""
    return min(one, other, key=_MIGHT.index)


def narrower(one: RoleLimit, other: RoleLimit) -> RoleLimit | None:
    """The limit that reaches only what both reach; None where it takes both to say whom."""
    if one.within(other):
        return one
    return other if other.within(one) else None
