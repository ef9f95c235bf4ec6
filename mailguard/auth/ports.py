"""What a login needs from other rooms, as the room of the decision sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from enum import Enum, StrEnum, unique
from typing import TYPE_CHECKING, Protocol, TypeVar

from mailguard.auth.attempt import Admission, Answer, Factor, MailProtocol, Origin, Reason, Verdict
from mailguard.auth.events import Event

if TYPE_CHECKING:
    from mailguard.auth.accounts import (
        Account,
        AccountName,
        AppPassword,
        Grant,
        KeyedHash,
        TotpDevice,
        VaultEntry,
    )
    from mailguard.auth.standing import Site
    from mailguard.secret import Secret

T = TypeVar("T")


class StoreUnavailable(Exception):
    """Our own records cannot be read or written now: nobody new gets in, nothing is burnt."""


class Crowded(Exception):
    """Too many wait to be asked about already: whoever comes now is not."""


class Clock(Protocol):
    """Wall time, and whether it can be believed."""

    def now(self) -> float:
        """UTC seconds since 1970."""

    def trusted(self) -> bool:
        """False for a minute after a jump: codes are refused then (SECURITY.md, promise 2)."""


class Identity(Protocol):
    """Whoever checks the user's own password. One question a login, never more."""

    async def ask(self, name: AccountName, password: Secret) -> Answer:
        """Is this the user's password? Never raises for trouble of the source: UNAVAILABLE says it."""


class Asked(Identity, Protocol):
    """The identity question of one login; under login `own` also the leg, which an app password's vault opens."""

    async def enter(self, name: AccountName, password: Secret) -> Answer:
        """Does the store open the leg with this password, from a vault? No other source is asked: with the directory
        down, phones still get their mail."""


class Turns(Protocol):
    """Who may ask when: a secret that is being asked about is not asked about by hundreds at once."""

    def room(self, name: AccountName, network: str) -> AbstractContextManager[None]:
        """A place among those who wait, held before any turn at what a stranger can make up. Crowded: there is none."""

    def take(self, name: AccountName, network: str) -> AbstractAsyncContextManager[None]:
        """Wait for one's turn at a name, from a network."""

    def behind_first(self, name: AccountName, what: str) -> AbstractAsyncContextManager[Callable[[], None]]:
        """Wait for one's turn at what several logins stand on: alone, until one that passed calls what it is handed."""

    async def rest(self) -> None:
        """Let a moment pass."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the record: who, what, when, where, by which factor. Never holds a secret."""

    event: Event
    at: float  # UTC seconds
    account: str = ""  # canonical name; for a name that has none, an escaped prefix of what was typed
    actor: str = ""  # "" the client itself; "owner", signed in; "operator:NAME"; "system"
    person: str = ""  # canonical name of the person who acts for a shared mailbox
    origin: Origin | None = None
    protocol: MailProtocol | Site | None = None
    mechanism: str = ""
    factor: Factor | None = None
    credential: str = ""
    session: str = ""
    reason: str = ""
    client: str = ""
    detail: str = ""
    daily: bool = False  # one of a device's many: those after the day's first share a row


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the records know that a login turns on, read at one moment.

    Where the account's own app password was offered nothing else opens the door: its devices and grants are not read.
    """

    account: Account | None
    devices: tuple[TotpDevice, ...]  # confirmed ones; seeds opened
    app_password: AppPassword | None  # the row with the offered hash, whoever's; as revoked where its MAC does not fit
    holder: Account | None  # the named person whose that app password is, of a shared mailbox
    grant: Grant | None  # a live grant of the account with the offered hash, from any network
    revision: int  # the revocation sequence at or before this read
    crowded: bool = False  # very many accounts came from this address within a day, and it is a private one
    passkeys: bool = False  # it has one at least, altered or not
    rehash: bool = False  # the app password was hashed under an older generation of the keys

    @property
    def enrolled(self) -> bool:
        """Whether the account has a factor: it never gets in by its bare password."""
        return bool(self.devices) or self.passkeys


@unique
class Counts(StrEnum):
    """What a bucket counts wrong secrets of."""

    PAIR = "pair"
    ACCOUNT = "account"
    NETWORK = "network"
    WIDE = "wide"
    OVERALL = "overall"
    CODES = "codes"


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many wrong secrets a bucket takes before it makes wait."""

    free: int  # distinct ones
    leak: float  # seconds in which one of them is forgotten
    kept: int = 0  # so many more, for networks where the name was granted lately
    resets: bool = False  # a granted login empties it
    in_a_row: int | None = None  # at most so many until a granted login, whatever time passes
    in_a_row_kept: int = 0  # of these, for networks where the name was granted lately


@dataclass(frozen=True, slots=True)
class Bucket:
    """One thing that is counted for. `key` is a keyed hash: names typed by strangers are not stored."""

    counts: Counts
    key: bytes
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class Tally:
    """What a bucket holds. `level` is as of `at`, and leaks from then on; `in_a_row` does not."""

    level: float
    in_a_row: int
    at: float  # UTC seconds of the last one counted


@dataclass(frozen=True, slots=True)
class Questions:
    """How many questions in vain about one name the identity source is asked, within `window` seconds."""

    limit: int = 4
    window: float = 30 * 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """A name, and a network that it was granted from. Keyed hashes, of the name and of both."""

    owner: bytes
    network: bytes
    private: str = ""  # the address itself, where it is a private one: whoever comes from it may be many


@dataclass(frozen=True, slots=True)
class Question:
    """What one attempt is about to ask the identity source. `network` as of Place."""

    id: str
    network: bytes
    allowance: Questions


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one attempt stakes before anything is verified."""

    owner: bytes  # keyed hash of the account name: what `account unlock` clears
    mark: bytes  # 24 bits that recognise a repeat of the same wrong secret at this name
    buckets: tuple[Bucket, ...]
    codes: bytes  # key of the bucket for wrong codes after a right password
    question: Question | None = None  # None: nobody will be asked
    known: bool = False  # the name is an account's: forgotten last when there are too many
    unlocks: bool = False  # it comes with a right recovery code, which the limit in a row does not stop


@unique
class Reserved(Enum):
    """What became of a reservation."""

    NEW = "new"  # counted; settle it
    SHARED = "shared"  # the same string is in flight: not counted twice
    AGAIN = "again"  # known wrong and due to be asked again: not counted twice
    REPEATED = "repeated"  # known wrong, asked less than 15 minutes ago, or spent
    THROTTLED = "throttled"  # for a while
    LOCKED = "locked"  # until an operator or a recovery code unlocks the account
    BUSY = "busy"  # what others are asking just now may yet leave room for a question: look again in a moment


@dataclass(frozen=True, slots=True)
class Stake:
    """A reservation and what became of it, to be settled with the outcome."""

    reservation: Reservation
    state: Reserved
    compares: bool = True  # False: of wrong codes after a right password there were too many, no code is looked at

    @property
    def stands(self) -> bool:
        """Whether there is anything to settle."""
        return self.state in (Reserved.NEW, Reserved.SHARED, Reserved.AGAIN)

    @property
    def takes_code(self) -> bool:
        """Whether a place in the bucket for wrong codes is staked with it."""
        return self.compares and self.state in (Reserved.NEW, Reserved.AGAIN)


@dataclass(frozen=True, slots=True)
class Winning:
    """What a fresh code brings along: the step to consume and the grant that its string may open."""

    device_id: str
    step: int
    string: KeyedHash  # of the exact string, under the newest key
    network: str
    grant_until: float | None  # None: one session a code
    grant_idle: float  # seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """A granted login, to be committed in one transaction before the leg is dialled or handed on."""

    name: AccountName
    account_id: str | None  # None: create the account, its first right password has come
    factor: Factor
    credential: str
    device: str
    revision: int
    audit: AuditRow  # event LOGIN_GRANTED
    app_password: AppPassword | None = None  # with Factor.APP_PASSWORD
    person: str = ""  # account id of the named person whose it is; the audit row has the name
    stake: Stake | None = None  # refunded
    place: Place | None = None  # known from now on as one where this name was granted
    winning: Winning | None = None
    permit: str = ""  # id of a single-session permit that this login uses up
    first_use: bool = False  # its app password had never been used when the facts were read
    group: str = ""  # the policy group of an account that this login creates
    store_password: Secret | None = None  # has just proved right: sealed anew to the account's app passwords
    connections: int | None = None  # open sessions that its grant may have; the one silent longest makes room
    digest: KeyedHash | None = None  # of its app password under the newest key, which the row takes over


@unique
class Lost(Enum):
    """An entry that did not win."""

    STEP_USED = "step-used"  # and no grant of its exact string
    ELSEWHERE = "elsewhere"  # the winning string, from another network
    PERMIT_USED = "permit-used"
    REVOKED = "revoked"  # account or credential ended since the facts were read


@unique
class Shut(Enum):
    """A vault that has nothing to offer the store now. The values are for the record."""

    EMPTY = "no store password is sealed to this app password yet: the next sign-in does it"
    RESTS = "the store refused what is sealed to this app password, and is not asked again so soon"


class Ledger(Protocol):
    """The records, as a login uses them. Every method may raise StoreUnavailable."""

    async def facts(
        self,
        name: AccountName,
        app_password: Sequence[KeyedHash],
        string: Sequence[KeyedHash],
        now: float,
        private: str = "",
    ) -> Facts:
        """Read what is known. `app_password` is empty where the string cannot be one; `private` as of Place."""

    async def reserve(self, reservation: Reservation, now: float) -> Stake:
        """Stake one attempt, atomically across processes."""

    async def admit(self, entry: Entry) -> Admission | Lost:
        """Consume, open, refund and record in one transaction; nothing of it happens where the step is lost,
        except that a grant of the exact string lets its holder pass as Factor.GRANT."""

    async def refuse(self, audit: AuditRow, stake: Stake | None) -> None:
        """Record a refusal; the stake stays counted and its mark is set, for good where SPENDING holds the reason."""

    async def defer(self, audit: AuditRow, stake: Stake | None, permit: Permit | None = None) -> None:
        """Record a temporary failure; the stake is refunded, a permit may be left behind, the session is none."""

    async def record(self, audit: AuditRow) -> None:
        """Record an event by itself."""

    async def revoked_since(self, revision: int, admission: Admission, session: str) -> bool:
        """Has this session, or anything that it stands on, been revoked after `revision`?"""

    async def vault_entry(self, name: AccountName, app_password: AppPassword, now: float) -> VaultEntry | Shut:
        """What is sealed to an app password. Where the store refused it before, this is the one question that the
        account has in a quarter of an hour, claimed atomically; its `refused_at` is still the last refusal's."""

    async def vault_answered(
        self, app_password: AppPassword, entry: VaultEntry, verdict: Verdict, refused: AuditRow
    ) -> None:
        """What the store said to a vault's password: NO marks all entries of the account and records `refused` the
        first time, YES takes the mark away, UNAVAILABLE gives a claimed question back. Nothing is deleted."""

    async def end_grant(self, grant_id: str, audit: AuditRow) -> None:
        """The store said no to a grant's string: the grant ends, its hash is erased, the refusal is recorded."""


class Beside(Protocol):
    """Threads beside the event loop, for what would hold it up: a few at work, the others wait."""

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave for one session by the same string, after a leg failed under `grant_limit = "0"`."""

    account_id: str
    device_id: str
    string: KeyedHash
    network: str
    until: float
    revision: int  # of the login that leaves it: nothing it stands on may have been revoked since


def temporary(reason: Reason) -> bool:
    """Nothing was decided against the credential: it may work later unchanged."""
    return reason in _TEMPORARY


_TEMPORARY = frozenset(
    {
        Reason.THROTTLED,
        Reason.LOCKED,
        Reason.VAULT_STALE,
        Reason.BACKEND_UNAVAILABLE,
        Reason.IDENTITY_UNAVAILABLE,
        Reason.BACKEND_REFUSED,
        Reason.BACKEND_UNSAFE,
        Reason.RECORDS_UNAVAILABLE,
        Reason.CLOCK_UNTRUSTED,
        Reason.SHUTTING_DOWN,
    }
)

SPENDING = frozenset({Reason.CODE_WRONG, Reason.CODE_REUSED, Reason.CODES_USED_UP, Reason.REPLAY})
"""The string held a code that did not fit. Later it may fit another step: to look again would be another guess."""
