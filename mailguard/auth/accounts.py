"""Frozen values: what the records hold about an account and its credentials."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, NewType

from mailguard.auth.roles import EVERYTHING, Role, RoleLimit

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
    SHARED = "shared"  # reception@: no password, no authenticator; its app passwords belong to named people
    SERVICE = "service"  # a scanner, practice software: app passwords of one network and one protocol, no human


@unique
class SuspendedBy(StrEnum):
    """Who closed an account. What the identity source closed, it alone opens again by itself."""

    NOBODY = ""
    OPERATOR = "operator"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Account:
    """One mailbox and the human behind it. Times are UTC seconds since 1970."""

    id: str
    name: AccountName
    kind: AccountKind = AccountKind.PERSON
    group: str = ""
    role: Role = Role.NONE
    role_limit: RoleLimit = EVERYTHING
    suspended_by: SuspendedBy = SuspendedBy.NOBODY
    factor_required: bool = False  # its factors were reset: a bare password stays refused on mail
    created_at: float = 0.0

    @property
    def administrator(self) -> bool:
        """Whoever acts on others' accounts, or reads of them, must have a second factor."""
        return self.role is not Role.NONE

    @property
    def suspended(self) -> bool:
        """Nobody gets in, whatever they hold."""
        return self.suspended_by is not SuspendedBy.NOBODY


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
class Passkey:
    """One WebAuthn credential, a second factor where a person signs in. No mail client can show one."""

    id: str
    account_id: str
    name: str
    credential: bytes  # the id that its authenticator knows it by
    public_key: bytes  # COSE (RFC 9052 §7)
    sign_count: int = 0  # of its newest use; stays 0 where the authenticator does not count
    created_at: float = 0.0
    last_used_at: float | None = None


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
    first_use_by: float | None = None  # it lapses if it was never used before
    revoked_at: float | None = None
    last_used_at: float | None = None
    last_used_from: str = ""
    last_used_protocol: str = ""
    last_client: str = ""
    issued_by: str = ""
    seen_by_operator: bool = False
    person_id: str = ""  # whose it is, of a shared mailbox: the account id of a named person
    public: bytes | None = None  # X25519, 32 bytes: what the store password is sealed to
    client_lock: bool = False  # the first IMAP ID name binds it
    client_bound: str = ""  # that name

    @property
    def lapses_at(self) -> float | None:
        """When it lapses if it is not used before; its idle limit counts from its making until it is. None: never."""
        idle = None if self.idle is None else (self.last_used_at or self.created_at) + self.idle
        first = self.first_use_by if self.last_used_at is None else None
        return min((end for end in (idle, first) if end is not None), default=None)


@dataclass(frozen=True, slots=True)
class VaultEntry:
    """The store password of an account, sealed to one app password. Only that app password opens it."""

    app_password_id: str
    sealed: bytes
    sealed_at: float
    refused_at: float | None = None  # the store said no to it: renewed at the next sign-in


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave for one exact string to open further sessions, from its networks, until `until`.

    `network` is where it was opened; `second` its network of the other IP family, once that has joined. `single` marks
    a permit: one session, after the leg of a one-session login failed. `idle` is None for a permit.
    """

    id: str
    account_id: str
    device_id: str
    network: str
    opened_at: float
    until: float
    idle: float | None = None  # seconds without an open session after which it ends
    second: str = ""
    single: bool = False
    idle_since: float = 0.0  # the last login by it, or the end of its last session
    ended_at: float | None = None


@unique
class CodeKind(StrEnum):
    """What a one-time code stands in for, where a person signs in. Never in a mail client."""

    RECOVERY = "recovery"  # one of ten, kept on paper: the authenticator is not at hand
    ENROLMENT = "enrolment"  # from an administrator: whoever holds it may bind the first factor
    BYPASS = "bypass"  # from an administrator, for hours: in place of the code


@dataclass(frozen=True, slots=True)
class OneTimeCode:
    """A one-time code's row. Of the code itself an argon2id hash is kept, salted once a set."""

    id: str
    account_id: str
    kind: CodeKind
    salt: bytes
    hash: bytes
    created_at: float
    expires_at: float | None = None
    used_at: float | None = None
    ended_at: float | None = None  # replaced by a newer set, or withdrawn
    may_enrol: bool = False  # a sign-in by it may bind a factor
    issued_by: str = ""
    kept_at: float | None = None  # its owner said that it was written down

    def usable(self, now: float) -> bool:
        """Not used, not withdrawn, not past its end."""
        return self.used_at is None and self.ended_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Claim:
    """A link that makes an app password for whoever opens it once, after signing in. Times as of AppPassword."""

    id: str
    account_id: str
    label: str
    protocols: frozenset[MailProtocol]
    created_at: float
    expires_at: float
    networks: tuple[Network, ...] = ()
    life: float | None = None  # seconds from the making of the app password
    idle: float | None = None
    person_id: str = ""
    client_lock: bool = False
    used_at: float | None = None
    issued_by: str = ""


@dataclass(frozen=True, slots=True)
class SecondAddress:
    """Where an account's owner is told, beside the protected mailbox. New ones count 72 hours after they were added."""

    id: str
    account_id: str
    address: str
    added_at: float
    active_at: float
    added_by: str = ""


@dataclass(frozen=True, slots=True)
class KeyedHash:
    """A secret's HMAC under one generation of the key file."""

    key_id: str
    digest: bytes
