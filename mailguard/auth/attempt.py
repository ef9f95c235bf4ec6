"""The vocabulary of a login: what was offered, from where, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, unique
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailguard.auth.accounts import Account, AccountName, AppPassword, Grant, TotpDevice
    from mailguard.secret import Secret


@unique
class MailProtocol(StrEnum):
    """A protocol that leads to a mailbox, by its name in the configuration."""

    IMAP = "imap"
    SUBMISSION = "submission"


@unique
class LoginForm(StrEnum):
    """Whose credential opens the leg to the store."""

    OWN = "own"  # the user's own password
    MASTER = "master"  # one secret of ours that speaks for every user


# RFC 1918, RFC 6598 (NAT of carriers), RFC 4193, and what never leaves a machine or a link.
_PRIVATE = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "fc00::/7",
        "::1/128",
        "fe80::/10",
    )
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a client connects from. An IPv4-mapped IPv6 address is held as IPv4."""

    address: IPv4Address | IPv6Address
    port: int

    @classmethod
    def of(cls, address: str, port: int) -> Origin:
        """From the text of a peer name; an IPv6 zone is dropped, it names our interface, not the client."""
        return cls(_parsed(address), port)

    @property
    def network(self) -> str:
        """The network that is treated as one client: the /32 of IPv4, the /64 of IPv6."""
        return _within(self.address, 32, 64)

    @property
    def wide(self) -> str:
        """The network that one customer of a provider may rent as a whole: the /24 of IPv4, the /48 of IPv6."""
        return _within(self.address, 24, 48)

    @property
    def private(self) -> str:
        """The address, where it is one of a house and not of the Internet: behind it may stand one machine, or a router
        or forwarder with all the world. Else ""."""
        return _private(self.address)


# Asked of the same few addresses at every login, and a tenth of a millisecond altogether.
_REMEMBERED = 4096


@lru_cache(_REMEMBERED)
def _parsed(address: str) -> IPv4Address | IPv6Address:
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


@lru_cache(_REMEMBERED)
def _within(address: IPv4Address | IPv6Address, v4: int, v6: int) -> str:
    return str(ip_network((address, v4 if address.version == 4 else v6), strict=False))


@lru_cache(_REMEMBERED)
def _private(address: IPv4Address | IPv6Address) -> str:
    inside = any(address.version == network.version and address in network for network in _PRIVATE)
    return str(address) if inside else ""


@dataclass(frozen=True, slots=True)
class Client:
    """What a client calls itself (RFC 2971). It may lie: this is shown, and trips a client lock, no more."""

    name: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()

    def __bool__(self) -> bool:
        return bool(self.name or self.version)


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """One credential as a client offered it. `username` is decoded but not yet canonical."""

    username: str
    secret: Secret
    mechanism: str  # PLAIN, LOGIN (SASL) or LOGIN-COMMAND (IMAP's own)


@unique
class Factor(StrEnum):
    """What opened the door, for the record."""

    APP_PASSWORD = "app-password"
    CODE = "code"  # password and a fresh code
    GRANT = "grant"  # the exact string that won its step a moment ago
    PASSWORD = "password"  # the bare password, where policy lets it pass
    # Where a person signs in, with the password:
    RECOVERY_CODE = "recovery-code"
    ENROLMENT_CODE = "enrolment-code"
    BYPASS = "bypass"
    PASSKEY = "passkey"

    @property
    def by_password(self) -> bool:
        """Whether the user's own password had part in it: it falls when that changes."""
        return self is not Factor.APP_PASSWORD

    @property
    def by_code(self) -> bool:
        """Whether a code had, now or a moment ago: such sessions are entered in the transaction of their login."""
        return self in (Factor.CODE, Factor.GRANT)

    @property
    def bare(self) -> bool:
        """Whether nothing but that password had: it falls once there is a second factor."""
        return self is Factor.PASSWORD


@unique
class Reason(StrEnum):
    """Why a login did not pass. The exact reason is for the record; what the peer hears: protocols.codes."""

    # One uniform answer for all of these, byte for byte (SECURITY.md, promise 5).
    BAD_NAME = "bad-name"
    UNKNOWN_ACCOUNT = "unknown-account"
    WRONG_PASSWORD = "wrong-password"
    WRONG_REPEATED = "wrong-repeated"  # the same wrong string again: not asked, not counted
    CODE_MISSING = "code-missing"
    CODE_WRONG = "code-wrong"
    CODE_REUSED = "code-reused"
    CODES_USED_UP = "codes-used-up"  # the password was right; after five wrong codes none is looked at for a while
    REPLAY = "replay"  # the winning string, from another network
    PASSKEY_ONLY = "passkey-only"  # at a mail client: the password was right, the second factor is none for there
    PASSKEY_WRONG = "passkey-wrong"  # where a person signs in: not of this account, or not an answer to what was asked
    PASSKEY_CLONED = "passkey-cloned"  # its count of uses went back: somebody may hold a copy
    SUSPENDED = "suspended"
    SECOND_FACTOR_REQUIRED = "second-factor-required"
    CODES_NOT_ALLOWED = "codes-not-allowed"
    NO_PASSWORD_HERE = "no-password-here"  # a shared or service mailbox: app passwords alone
    APP_PASSWORD_OF_ANOTHER = "app-password-of-another-account"
    REVOKED_IN_FLIGHT = "revoked-in-flight"

    # Proven by 140 bits, so these may be said aloud.
    APP_PASSWORD_REVOKED = "app-password-revoked"
    APP_PASSWORD_EXPIRED = "app-password-expired"
    APP_PASSWORD_SCOPE = "app-password-scope"
    APP_PASSWORD_NEEDS_VAULT = "app-password-needs-vault"

    # Temporary: nothing was burnt, the same credential may work later.
    THROTTLED = "throttled"
    LOCKED = "locked"  # throttled until the account is unlocked: a hundred in a row were wrong
    VAULT_STALE = "vault-stale"  # the store no longer takes the password in the vault: a sign-in renews it
    BACKEND_UNAVAILABLE = "backend-unavailable"  # the mail store is down, slow or lying
    IDENTITY_UNAVAILABLE = "identity-unavailable"  # whoever checks users' own passwords, where that is not the store
    BACKEND_REFUSED = "backend-refused"  # the store refused a credential of ours: an operator's event
    BACKEND_UNSAFE = "backend-unsafe"  # the store would let a user log in afresh behind us
    RECORDS_UNAVAILABLE = "records-unavailable"  # our own store
    CLOCK_UNTRUSTED = "clock-untrusted"
    SHUTTING_DOWN = "shutting-down"


@unique
class Watched(StrEnum):
    """Of a bare password that passed: what the record says in place of a reason, for `readiness`."""

    WOULD_BE_REFUSED = "would-be-refused"  # observed
    WARNED = "warned"  # its owner is written to, once a week at most
    TRUSTED_NETWORK = "trusted-network"  # refused from anywhere else


@unique
class Verdict(Enum):
    """The identity source's answer to one password."""

    YES = "yes"
    NO = "no"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, and for UNAVAILABLE the reason and a text for the record.

    `group`: the policy group that the source puts the user into; None where it does not tell. `vouched`: a source took
    the password, and UNAVAILABLE is the leg that it should have opened. `another`: the source may know the user by
    another name too. `short`: the password is too short to stand alone (NIST SP 800-63B-4 3.1.1.2).
    """

    verdict: Verdict
    reason: Reason = Reason.BACKEND_UNAVAILABLE
    detail: str = ""
    group: str | None = None
    vouched: bool = False
    another: bool = False
    short: bool = False


@unique
class CodeReading(Enum):
    """What the end of the string said, read against the account's authenticators."""

    NONE = "none"  # the account has no factor
    BARRED = "barred"  # it has passkeys alone: no string that a mail client sends can hold one
    MISSING = "missing"  # it has, and the string does not end in that many digits
    WRONG = "wrong"
    AMBIGUOUS = "ambiguous"  # wrong, and it could be split in two ways, for authenticators of six and eight digits
    HELD = "held"  # not looked at: there were too many wrong ones
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Step:
    """A code that fits: which authenticator, and which 30-second step since 1970."""

    device: TotpDevice
    step: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What held when it was checked. Holds no secret."""

    app_password: AppPassword | None = None
    holder: Account | None = None  # whose that app password is, of a shared mailbox
    grant: Grant | None = None
    code: CodeReading = CodeReading.NONE
    step: Step | None = None  # with CodeReading.RIGHT
    drift: int | None = None  # with CodeReading.WRONG: by how many seconds a clock that it fits is ahead of ours
    answer: Answer | None = None  # None: the identity source was not asked


@dataclass(frozen=True, slots=True)
class Granted:
    """This login may pass. `step` must still be consumed where it is given."""

    factor: Factor
    step: Step | None = None
    watched: Watched | None = None
    detail: str = ""  # for the record only


@dataclass(frozen=True, slots=True)
class Refused:
    """This login may not pass."""

    reason: Reason
    detail: str = ""  # for the record only


Decision = Granted | Refused


@dataclass(frozen=True, slots=True)
class Admission:
    """A granted login, committed to the record: who, by what, as of which revocation."""

    name: AccountName
    account_id: str
    factor: Factor
    credential: str  # id of the app password or grant; "" for a bare password
    device: str  # id of the authenticator behind a code or grant; else ""
    revision: int  # the revocation sequence its facts were read at
    person: str = ""  # account id of the named person behind an app password of a shared mailbox
    person_name: str = ""  # that person's canonical name
    client_lock: bool = False  # its app password is bound to the first IMAP ID name
    client_bound: str = ""  # that name, once it has come
    daily: bool = False  # what it does is recorded by the day
    account: Account | None = None  # as it was judged; None: this login created it
    group: str = ""  # whose policy it was judged by
