"""Frozen values: what the records hold about an account and its credentials."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from mailguard.auth.attempt import MailProtocol
    from mailguard.secret import Secret

AccountName = NewType("AccountName", str)
"""A canonical login name, `local@domain`. Made by names.canonical() only."""

Network = IPv4Network | IPv6Network


@unique
class AccountKind(StrEnum):
    """What stands behind a mailbox. A person's account never changes kind."""

    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Account:
    """One mailbox and the human behind it. Times are UTC seconds since 1970."""

    id: str
    name: AccountName
    kind: AccountKind = AccountKind.PERSON
    group: str = ""
    administrator: bool = False
    suspended: bool = False
    factor_required: bool = False  # its factors were reset: a bare password stays refused on mail
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class TotpDevice:
    """One authenticator (RFC 6238). `last_step` is the newest consumed step; 0 before the first."""

    id: str
    account_id: str
    name: str
    seed: Secret  # base32
    digits: int = 6
    period: int = 30
    algorithm: str = "SHA1"
    last_step: int = 0
    created_at: float = 0.0
    confirmed_at: float | None = None


@dataclass(frozen=True, slots=True)
class AppPassword:
    """An app password's row, without its secret. An empty `networks` means any network."""

    id: str
    account_id: str
    label: str
    protocols: frozenset[MailProtocol]
    networks: tuple[Network, ...] = ()
    created_at: float = 0.0
    expires_at: float | None = None
    idle: float | None = None  # seconds without use after which it lapses
    revoked_at: float | None = None
    last_used_at: float | None = None
    last_used_from: str = ""
    last_used_protocol: str = ""
    last_client: str = ""
    issued_by: str = ""
    seen_by_operator: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave for one exact string to open further sessions, from one network, until `until`.

    `single` marks a permit: one session, after the leg of a one-session login failed.
    """

    id: str
    account_id: str
    device_id: str
    network: str
    opened_at: float
    until: float
    single: bool = False


@dataclass(frozen=True, slots=True)
class KeyedHash:
    """A secret's HMAC under one generation of the key file."""

    key_id: str
    digest: bytes
