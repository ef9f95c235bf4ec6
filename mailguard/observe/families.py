"""Everything that is measured, declared once: what it is called, what it tells, and every series that it can have.

Labels take values of closed lists alone. What a stranger can make up, a name or an address, is no label: it would fill
the memory of whoever scrapes, and tell who has an account here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, unique
from itertools import product
from typing import Final

from mailguard.auth.attempt import Factor, MailProtocol, Reason
from mailguard.auth.ports import Reserved

Labels = tuple[str, ...]

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends in seconds. A login by app password takes a few milliseconds, one that asks a store over a network up to
ten seconds."""


@unique
class Kind(Enum):
    """What a family is to Prometheus. GIVEN: a gauge that is made where it is read, and kept nowhere."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    GIVEN = "given"
    STAMP = "stamp"  # a moment of the monotonic clock, for the monitor alone: is that process alive?

    @property
    def lasts(self) -> bool:
        """Is what a process that died has counted still counted?"""
        return self in (Kind.COUNTER, Kind.HISTOGRAM)


@unique
class Merge(Enum):
    """How the gauges of several processes become one."""

    SUM = "sum"
    LEAST = "least"
    MOST = "most"


@unique
class Phase(StrEnum):
    """What a login waits for."""

    FACTS = "facts"
    THROTTLE = "throttle"
    IDENTITY = "identity"  # under login `own` that is the dial too
    COMMIT = "commit"
    DIAL = "dial"


@unique
class Direction(StrEnum):
    """Of relayed bytes."""

    TO_STORE = "to_store"
    TO_CLIENT = "to_client"


@unique
class Entrance(StrEnum):
    """Where connections wait that nobody has logged in on."""

    MAIL = "mail"
    PORTAL = "portal"


@unique
class Part(StrEnum):
    """A process below the supervisor."""

    WORKER = "worker"
    PORTAL = "portal"
    MONITOR = "monitor"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `series`: the values of its labels, every combination that there is; of GIVEN ones they come with the
    configuration."""

    name: str
    kind: Kind
    tells: str
    labels: Labels = ()
    series: tuple[Labels, ...] = ((),)
    merge: Merge = Merge.SUM


GRANTED: Final = "granted"
NO_FACTOR: Final = "none"  # of refusals
STATUSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")

_AT_MAIL = (Factor.APP_PASSWORD, Factor.CODE, Factor.GRANT, Factor.PASSWORD)
_AT_PORTAL = (
    Factor.CODE,
    Factor.PASSKEY,
    Factor.RECOVERY_CODE,
    Factor.ENROLMENT_CODE,
    Factor.BYPASS,
    Factor.PASSWORD,
)


def _each(values: type[StrEnum]) -> tuple[Labels, ...]:
    return tuple((value.value,) for value in values)


def _results(factors: tuple[Factor, ...]) -> tuple[Labels, ...]:
    granted = tuple((GRANTED, factor.value) for factor in factors)
    return granted + tuple((reason.value, NO_FACTOR) for reason in Reason)


_PROTOCOLS = _each(MailProtocol)
_LOGINS = tuple((protocol.value, *result) for protocol, result in product(MailProtocol, _results(_AT_MAIL)))

LOGINS: Final = Family(
    "mailguard_logins_total",
    Kind.COUNTER,
    "Login attempts of mail clients by what came of them: granted, or the reason of the record; the factor of granted "
    "ones",
    ("protocol", "result", "factor"),
    _LOGINS,
)
PHASES: Final = Family(
    "mailguard_login_phase_seconds",
    Kind.HISTOGRAM,
    "How long logins waited for each of their steps",
    ("phase",),
    _each(Phase),
)
THROTTLE: Final = Family(
    "mailguard_throttle_total",
    Kind.COUNTER,
    "What became of secrets staked before they were verified; throttled, locked and repeated ones are not asked about",
    ("outcome",),
    tuple((outcome.value,) for outcome in Reserved),
)
WAITING: Final = Family(
    "mailguard_logins_waiting",
    Kind.GAUGE,
    "Logins that wait for their turn at a name or are being decided by a question",
)
DIALS_WAITING: Final = Family(
    "mailguard_dials_waiting",
    Kind.GAUGE,
    "Logins that wait in line for a connection to a store: many came at once",
)
SESSIONS: Final = Family("mailguard_sessions", Kind.GAUGE, "Live mail sessions", ("protocol",), _PROTOCOLS)
RELAYED: Final = Family(
    "mailguard_relayed_bytes_total",
    Kind.COUNTER,
    "Bytes passed on between clients and stores, to a few seconds",
    ("direction",),
    _each(Direction),
)
CONNECTIONS: Final = Family(
    "mailguard_connections_before_login",
    Kind.GAUGE,
    "Open connections on which nobody has logged in; at the portal all of them",
    ("at",),
    _each(Entrance),
)
SHED: Final = Family(
    "mailguard_shed_connections_total",
    Kind.COUNTER,
    "Connections closed to make room: as many had not logged in as throttle.unauthenticated or "
    "throttle.unauthenticated_per_network lets stay",
    ("at",),
    _each(Entrance),
)
STORE_UP: Final = Family(
    "mailguard_store_up",
    Kind.GAUGE,
    "1 where every worker saw the mail store well at its last look, else 0",
    ("protocol",),
    _PROTOCOLS,
    Merge.LEAST,
)
STORE_SINCE: Final = Family(
    "mailguard_store_since_timestamp_seconds",
    Kind.GAUGE,
    "Since when the mail store is up or down, in seconds since 1970",
    ("protocol",),
    _PROTOCOLS,
    Merge.MOST,
)
UNSEALED: Final = Family(
    "mailguard_audit_unsealed_rows",
    Kind.GAUGE,
    "Rows of the record that are not sealed into its chain yet",
    merge=Merge.MOST,
)
UNSEALED_AGE: Final = Family(
    "mailguard_audit_unsealed_age_seconds",
    Kind.GAUGE,
    "Age of the oldest of them; 0 where there is none",
    merge=Merge.MOST,
)
LETTERS: Final = Family(
    "mailguard_letters_waiting",
    Kind.GAUGE,
    "Letters that were tried and not taken yet",
    merge=Merge.MOST,
)
CROWDS: Final = Family(
    "mailguard_crowded_addresses",
    Kind.GAUGE,
    "Private addresses that very many accounts come from: grants and trusted networks are off there",
    merge=Merge.MOST,
)
REQUESTS: Final = Family(
    "mailguard_portal_requests_total",
    Kind.COUNTER,
    "Answers of the portal and the API by class of status",
    ("status",),
    tuple((status,) for status in STATUSES),
)
SIGN_INS: Final = Family(
    "mailguard_sign_ins_total",
    Kind.COUNTER,
    "Sign-ins of people at the portal by what came of them",
    ("result", "factor"),
    _results(_AT_PORTAL),
)
PORTAL_SESSIONS: Final = Family(
    "mailguard_portal_sessions", Kind.GAUGE, "Browsers that are signed in at the portal", merge=Merge.MOST
)
RESTARTS: Final = Family(
    "mailguard_restarts_total",
    Kind.COUNTER,
    "Processes that died and were replaced",
    ("part",),
    _each(Part),
)
WORKERS: Final = Family("mailguard_workers", Kind.GIVEN, "Workers that there should be")
WORKERS_READY: Final = Family("mailguard_workers_ready", Kind.GIVEN, "Workers that serve and are not stuck")
RECORDS_UP: Final = Family(
    "mailguard_records_up", Kind.GIVEN, "1 where every worker that serves has read the records lately, else 0"
)
DRAINING: Final = Family("mailguard_draining", Kind.GIVEN, "1 once it was told to stop, else 0")
CERTIFICATE_DAYS: Final = Family(
    "mailguard_certificate_days_left",
    Kind.GIVEN,
    "Days until a certificate ends that clients are shown; as it was at the start or the last reload",
    ("name", "file"),
)
BUILD: Final = Family("mailguard_build_info", Kind.GIVEN, "Always 1", ("version",))

BEAT: Final = Family("beat", Kind.STAMP, "when its event loop last went round")
RECORDS_READ: Final = Family("records_read", Kind.STAMP, "when it last read the records")
STOPPING: Final = Family("stopping", Kind.STAMP, "when it was told to stop")

FAMILIES: Final = (
    BUILD,
    WORKERS,
    WORKERS_READY,
    DRAINING,
    RESTARTS,
    LOGINS,
    PHASES,
    THROTTLE,
    WAITING,
    DIALS_WAITING,
    SESSIONS,
    RELAYED,
    CONNECTIONS,
    SHED,
    STORE_UP,
    STORE_SINCE,
    RECORDS_UP,
    UNSEALED,
    UNSEALED_AGE,
    LETTERS,
    CROWDS,
    CERTIFICATE_DAYS,
    REQUESTS,
    SIGN_INS,
    PORTAL_SESSIONS,
)
"""What is shown, in this order."""

_KEPT = tuple(family for family in (*FAMILIES, BEAT, RECORDS_READ, STOPPING) if family.kind is not Kind.GIVEN)


def width(family: Family) -> int:
    """How many numbers one of its series is: a histogram has one for each bucket, one beyond them, and the sum."""
    return len(BUCKETS) + 2 if family.kind is Kind.HISTOGRAM else 1


def _laid_out() -> tuple[Mapping[tuple[str, Labels], int], int]:
    places: dict[tuple[str, Labels], int] = {}
    place = 0
    for family in _KEPT:
        for labels in family.series:
            places[family.name, labels] = place
            place += width(family)
    return places, place


PLACES, SIZE = _laid_out()
"""Where the numbers of each series lie within what one process writes, and how many numbers that is."""

FLEETING: Final = tuple(
    PLACES[family.name, labels] for family in _KEPT if not family.kind.lasts for labels in family.series
)
"""The places of what ends with its process."""
