"""Rows of the record → what is in somebody's way: one trouble for each thing that goes wrong at each device. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from mailguard.auth import drift
from mailguard.auth.attempt import Reason
from mailguard.auth.events import Event

if TYPE_CHECKING:
    from mailguard.auth.ports import AuditRow
    from mailguard.store.audit import Recorded


@unique
class Kind(StrEnum):
    """What can be in the way of a login."""

    STALE_PASSWORD = "stale-password"
    NO_CODE = "no-code"
    WRONG_CODE = "wrong-code"
    WRONG_CLOCK = "wrong-clock"  # a code that fits a step some minutes off
    USED_CODE = "used-code"
    REPLAY = "replay"
    REVOKED = "revoked"
    EXPIRED = "expired"
    WRONG_SCOPE = "wrong-scope"
    NEEDS_VAULT = "needs-vault"
    VAULT_STALE = "vault-stale"
    ANOTHERS = "anothers"  # an app password with somebody else's name
    ANOTHER_PROGRAM = "another-program"  # under a client lock
    THROTTLED = "throttled"
    LOCKED = "locked"  # after a hundred wrong in a row
    CODES_HELD = "codes-held"  # a right password, and five wrong codes behind it
    FACTOR_DEMANDED = "factor-demanded"
    PASSKEY_ONLY = "passkey-only"
    PASSKEY_STRANGE = "passkey-strange"  # where a person signs in
    PASSKEY_CLONED = "passkey-cloned"
    CODES_BARRED = "codes-barred"
    PASSWORD_BARRED = "password-barred"
    SUSPENDED = "suspended"
    NO_ACCOUNT = "no-account"
    STORE_DOWN = "store-down"
    SOURCE_DOWN = "source-down"
    GUARD_REFUSED = "guard-refused"  # by the store
    STORE_UNSAFE = "store-unsafe"
    GUARD_CLOCK = "guard-clock"
    PASSING = "passing"  # nothing to do
    OTHER = "other"


KINDS: Mapping[Reason, Kind] = {
    Reason.BAD_NAME: Kind.NO_ACCOUNT,
    Reason.UNKNOWN_ACCOUNT: Kind.NO_ACCOUNT,
    Reason.WRONG_PASSWORD: Kind.STALE_PASSWORD,
    Reason.WRONG_REPEATED: Kind.STALE_PASSWORD,
    Reason.CODE_MISSING: Kind.NO_CODE,
    Reason.CODE_WRONG: Kind.WRONG_CODE,
    Reason.CODE_REUSED: Kind.USED_CODE,
    Reason.CODES_USED_UP: Kind.CODES_HELD,
    Reason.REPLAY: Kind.REPLAY,
    Reason.PASSKEY_ONLY: Kind.PASSKEY_ONLY,
    Reason.PASSKEY_WRONG: Kind.PASSKEY_STRANGE,
    Reason.PASSKEY_CLONED: Kind.PASSKEY_CLONED,
    Reason.SUSPENDED: Kind.SUSPENDED,
    Reason.SECOND_FACTOR_REQUIRED: Kind.FACTOR_DEMANDED,
    Reason.CODES_NOT_ALLOWED: Kind.CODES_BARRED,
    Reason.NO_PASSWORD_HERE: Kind.PASSWORD_BARRED,
    Reason.APP_PASSWORD_OF_ANOTHER: Kind.ANOTHERS,
    Reason.REVOKED_IN_FLIGHT: Kind.PASSING,
    Reason.APP_PASSWORD_REVOKED: Kind.REVOKED,
    Reason.APP_PASSWORD_EXPIRED: Kind.EXPIRED,
    Reason.APP_PASSWORD_SCOPE: Kind.WRONG_SCOPE,
    Reason.APP_PASSWORD_NEEDS_VAULT: Kind.NEEDS_VAULT,
    Reason.THROTTLED: Kind.THROTTLED,
    Reason.LOCKED: Kind.LOCKED,
    Reason.VAULT_STALE: Kind.VAULT_STALE,
    Reason.BACKEND_UNAVAILABLE: Kind.STORE_DOWN,
    Reason.IDENTITY_UNAVAILABLE: Kind.SOURCE_DOWN,
    Reason.BACKEND_REFUSED: Kind.GUARD_REFUSED,
    Reason.BACKEND_UNSAFE: Kind.STORE_UNSAFE,
    Reason.RECORDS_UNAVAILABLE: Kind.PASSING,  # in the log only: the record could not be written
    Reason.CLOCK_UNTRUSTED: Kind.GUARD_CLOCK,
    Reason.SHUTTING_DOWN: Kind.PASSING,
}
OF_NO_DEVICE = frozenset({Kind.STORE_DOWN, Kind.SOURCE_DOWN, Kind.GUARD_REFUSED, Kind.STORE_UNSAFE, Kind.GUARD_CLOCK})
"""Everybody's: one trouble, however many devices meet it."""

_FAILED = frozenset(
    {
        Event.LOGIN_REFUSED,
        Event.LOGIN_DEFERRED,
        Event.SIGN_IN_REFUSED,
        Event.SIGN_IN_DEFERRED,
        Event.CLIENT_REFUSED,
    }
)
_LET_IN = frozenset({Event.LOGIN_GRANTED, Event.SIGN_IN_GRANTED})


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that goes wrong, at one device: an app password, or else a network. Times are UTC seconds."""

    kind: Kind
    times: int
    since: float
    last_at: float
    addresses: tuple[str, ...]
    protocols: tuple[str, ...]
    client: str = ""  # what the program calls itself, where it ever did so there
    credential: str = ""  # id of an app password or grant
    detail: str = ""  # of the newest row
    drift: int | None = None  # WRONG_CLOCK: seconds by which the clock that made the code is ahead of ours
    mended_at: float | None = None  # the same device was let in afterwards


def troubles(rows: Iterable[Recorded]) -> tuple[Trouble, ...]:
    """What the rows of one account tell of, the newest first. They may come in any order."""
    tally: dict[tuple[Kind, str], Trouble] = {}
    ordered = sorted(rows, key=lambda each: each.row.at)
    last: dict[str, Kind] = {}
    for recorded in ordered:
        row = recorded.row
        if row.event not in _FAILED:
            continue
        kind, where = _kind(row), _device(row)
        if row.reason == Reason.WRONG_REPEATED:  # whatever was wrong with it the first time
            kind = last.get(where, kind)
        last[where] = kind
        key = (kind, "" if kind in OF_NO_DEVICE else where)
        found = _trouble(kind, recorded)
        tally[key] = found if key not in tally else _together(tally[key], found)
    entries = [each for each in ordered if each.row.event in _LET_IN]
    clients = {where: each.row.client for each in ordered if each.row.client for where in _wheres(each.row)}
    done = (_finished(key[1], each, entries, clients) for key, each in tally.items())
    return tuple(sorted(done, key=lambda each: -each.last_at))


def _kind(row: AuditRow) -> Kind:
    if row.event is Event.CLIENT_REFUSED:
        return Kind.ANOTHER_PROGRAM
    try:
        kind = KINDS[Reason(row.reason)]
    except ValueError:  # of another version, that wrote to these records before
        return Kind.OTHER
    return Kind.WRONG_CLOCK if kind is Kind.WRONG_CODE and drift.read(row.detail) is not None else kind


def _device(row: AuditRow) -> str:
    """Phones change their address; their app password stays."""
    return row.credential or _network(row)


def _network(row: AuditRow) -> str:
    return row.origin.network if row.origin is not None else ""


def _wheres(row: AuditRow) -> Iterator[str]:
    yield from filter(None, (row.credential, _network(row)))


def _trouble(kind: Kind, recorded: Recorded) -> Trouble:
    row = recorded.row
    return Trouble(
        kind=kind,
        times=recorded.repeats + 1,
        since=row.at,
        last_at=recorded.last_at,
        addresses=(str(row.origin.address),) if row.origin is not None else (),
        protocols=(str(row.protocol),) if row.protocol is not None else (),
        client=row.client,
        credential=row.credential,
        detail=row.detail,
        drift=drift.read(row.detail) if kind is Kind.WRONG_CLOCK else None,
    )


def _together(old: Trouble, new: Trouble) -> Trouble:
    return replace(
        new,
        times=old.times + new.times,
        since=min(old.since, new.since),
        last_at=max(old.last_at, new.last_at),
        addresses=tuple(dict.fromkeys((*new.addresses, *old.addresses))),
        protocols=tuple(sorted({*old.protocols, *new.protocols})),
        client=new.client or old.client,
        detail=new.detail or old.detail,
        drift=old.drift if new.drift is None else new.drift,
    )


def _finished(where: str, found: Trouble, entries: Iterable[Recorded], clients: Mapping[str, str]) -> Trouble:
    later = [
        each.last_at for each in entries if each.last_at > found.last_at and (not where or where in _wheres(each.row))
    ]
    return replace(found, client=found.client or clients.get(where, ""), mended_at=max(later, default=None))
