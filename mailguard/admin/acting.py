"""Whoever acts on other people's accounts: an operator, an administrator who signed in, a program with an API key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING

from mailguard.auth.roles import EVERYTHING, Role, RoleLimit, Scope

if TYPE_CHECKING:
    from mailguard.auth.standing import SignedIn


@unique
class Means(Enum):
    """By what somebody acts."""

    OPERATOR = "operator"  # at a terminal of the guard, where the keys lie
    SIGN_IN = "sign-in"
    API_KEY = "api-key"


@dataclass(frozen=True, slots=True)
class Acting:
    """Who acts, and what they may: the value that everything in this room takes. Made by operator(), by
    Bureau.signed_in() and by keys.recognise() alone; in the transaction of each change it is looked up anew."""

    means: Means
    actor: str  # as the record names them, such as `administrator:ann@example.org`
    role: Role
    limit: RoleLimit = EVERYTHING
    account_id: str = ""  # of the administrator who signed in, or who made the API key; "" of operators
    name: str = ""  # the same account's
    signed: SignedIn | None = None
    key: str = ""  # the API key's id
    scopes: frozenset[Scope] = frozenset(Scope)


def operator(actor: str) -> Acting:
    """Whoever runs commands on the guard: an owner without limit, for they hold its keys."""
    return Acting(Means.OPERATOR, actor, Role.OWNER)
