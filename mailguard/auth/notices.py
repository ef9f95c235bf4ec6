"""Which events their owner is written to about, and how often. Pure: rows in, occasions out.

A letter that comes every day is read by nobody, and one that a stranger can cause at will is a weapon: what repeats by
itself is told once, or once a week (SECURITY.md, promises 4 and 13).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from mailguard.auth.accounts import CodeKind
from mailguard.auth.attempt import Reason, Watched
from mailguard.auth.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailguard.auth.ports import AuditRow

WEEK = 7 * 24 * 3600.0
EVERY_TIME, ONCE = 0.0, math.inf
SECOND_ADDRESS_WAITS = 72 * 3600.0
"""Seconds before a new second address is written to: whoever is in for an hour must not redirect the warnings."""


@unique
class NoticeKind(StrEnum):
    """What a letter can be about."""

    FACTOR_ADDED = "factor-added"
    FACTOR_REMOVED = "factor-removed"
    PASSKEY_ADDED = "passkey-added"
    PASSKEY_REMOVED = "passkey-removed"
    PASSKEY_CLONED = "passkey-cloned"
    FACTORS_RESET = "factors-reset"
    APP_PASSWORD_ISSUED = "app-password-issued"
    APP_PASSWORD_REVOKED = "app-password-revoked"
    APP_PASSWORD_FIRST_USED = "app-password-first-used"
    CLAIM_ISSUED = "claim-issued"
    CODES_ISSUED = "codes-issued"
    CODES_WITHDRAWN = "codes-withdrawn"
    CODE_USED = "code-used"
    ADDRESS_ADDED = "address-added"
    ADDRESS_REMOVED = "address-removed"
    PASSWORD_SET = "password-set"
    ACCOUNT_SUSPENDED = "account-suspended"
    ACCOUNT_REMOVED = "account-removed"
    REPLAY = "replay"
    CLIENT_REFUSED = "client-refused"
    CLIENT_UNNAMED = "client-unnamed"
    VAULT_REFUSED = "vault-refused"
    FACTOR_WANTED = "factor-wanted"
    DEVICE_FAILING = "device-failing"  # of no event: found in the record (jobs.failing)


@dataclass(frozen=True, slots=True)
class Occasion:
    """A reason to write: not again about the same `subject` of the account within `pause` seconds."""

    kind: NoticeKind
    subject: str = ""
    pause: float = EVERY_TIME


@dataclass(frozen=True, slots=True)
class Failing:
    """A device whose logins are refused again and again. `client` and `label` are "" where nothing is known."""

    reason: Reason
    address: str
    protocol: str
    times: int
    last_at: float
    client: str = ""
    label: str = ""  # of its app password


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. Empty texts: not known, or does not apply. Holds no secret."""

    kind: NoticeKind
    account: str
    at: float
    actor: str = ""
    person: str = ""
    address: str = ""
    protocol: str = ""
    client: str = ""
    label: str = ""  # of the app password or authenticator that it is about
    detail: str = ""
    failing: tuple[Failing, ...] = ()


_EACH: Mapping[Event, NoticeKind] = {
    Event.TOTP_CONFIRMED: NoticeKind.FACTOR_ADDED,
    Event.TOTP_REMOVED: NoticeKind.FACTOR_REMOVED,
    Event.PASSKEY_ADDED: NoticeKind.PASSKEY_ADDED,
    Event.PASSKEY_REMOVED: NoticeKind.PASSKEY_REMOVED,
    Event.FACTORS_RESET: NoticeKind.FACTORS_RESET,
    Event.APP_PASSWORD_ISSUED: NoticeKind.APP_PASSWORD_ISSUED,
    Event.APP_PASSWORD_REVOKED: NoticeKind.APP_PASSWORD_REVOKED,
    Event.CLAIM_ISSUED: NoticeKind.CLAIM_ISSUED,
    Event.CODES_ISSUED: NoticeKind.CODES_ISSUED,
    Event.CODES_WITHDRAWN: NoticeKind.CODES_WITHDRAWN,
    Event.CODE_USED: NoticeKind.CODE_USED,
    Event.ADDRESS_ADDED: NoticeKind.ADDRESS_ADDED,
    Event.ADDRESS_REMOVED: NoticeKind.ADDRESS_REMOVED,
    Event.PASSWORD_SET: NoticeKind.PASSWORD_SET,
    Event.ACCOUNT_SUSPENDED: NoticeKind.ACCOUNT_SUSPENDED,
    Event.ACCOUNT_REMOVED: NoticeKind.ACCOUNT_REMOVED,
}


def occasion(row: AuditRow) -> Occasion | None:
    """What an event gives reason to write. None for most, ordinary logins first of all."""
    match row.event:
        case Event.LOGIN_GRANTED:
            return Occasion(NoticeKind.FACTOR_WANTED, pause=WEEK) if row.reason == Watched.WARNED else None
        case Event.LOGIN_REFUSED:
            if row.reason != Reason.REPLAY:
                return None
            where = row.origin.network if row.origin is not None else ""
            return Occasion(NoticeKind.REPLAY, f"{row.credential} {where}", ONCE)
        case Event.SIGN_IN_REFUSED:
            cloned = row.reason == Reason.PASSKEY_CLONED
            return Occasion(NoticeKind.PASSKEY_CLONED, row.credential, WEEK) if cloned else None
        case Event.APP_PASSWORD_FIRST_USED:
            return Occasion(NoticeKind.APP_PASSWORD_FIRST_USED, row.credential, ONCE)
        case Event.CLIENT_REFUSED:
            return Occasion(NoticeKind.CLIENT_REFUSED, row.credential, WEEK)
        case Event.CLIENT_UNNAMED:
            return Occasion(NoticeKind.CLIENT_UNNAMED, row.credential, WEEK)
        case Event.VAULT_REFUSED:
            return Occasion(NoticeKind.VAULT_REFUSED, pause=WEEK)
        case event:
            kind = _EACH.get(event)
            return None if kind is None else Occasion(kind)


def tells_all(notice: Notice) -> bool:
    """Is everybody told, the organisation and the mailbox itself too? A bypass stands in for the second factor."""
    return notice.kind in (NoticeKind.CODES_ISSUED, NoticeKind.CODE_USED) and CodeKind.BYPASS in notice.detail
