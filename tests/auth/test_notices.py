"""Which events their owner is written to about."""

import math

import pytest

from mailguard.auth.attempt import Origin, Reason
from mailguard.auth.events import Event
from mailguard.auth.notices import WEEK, Notice, NoticeKind, Occasion, occasion, tells_all
from mailguard.auth.ports import AuditRow

SILENT = {
    Event.LOGIN_GRANTED,
    Event.LOGIN_DEFERRED,
    Event.SESSION_ENDED,
    Event.SESSION_END_ASKED,
    Event.SIGN_IN_GRANTED,
    Event.SIGN_IN_REFUSED,
    Event.SIGN_IN_DEFERRED,
    Event.ACCOUNT_ADDED,
    Event.ACCOUNT_CHANGED,
    Event.ACCOUNT_RESUMED,
    Event.ACCOUNT_UNLOCKED,
    Event.ACT_REFUSED,
    Event.API_KEY_ISSUED,
    Event.API_KEY_REVOKED,
    Event.API_KEY_FIRST_USED,
    Event.TOTP_ENROLLED,  # counts for nothing before it is confirmed
    Event.TOTP_RESYNCED,
    Event.TOTP_RENAMED,
    Event.PASSKEY_RENAMED,
    Event.APP_PASSWORD_RENAMED,
    Event.AUDIT_PURGED,
    Event.AUDIT_RESTARTED,
    Event.CLAIM_USED,  # its app password is told of
    Event.CLIENT_BOUND,
    Event.VAULT_SEALED,
    Event.GRANT_REVOKED,
    Event.GRANT_ENDED,
    Event.MEMBER_ADDED,
    Event.MEMBER_REMOVED,
    Event.PASSWORD_CHANGED,  # by its owner, at the identity source
    Event.NOTICE_SENT,
    Event.NOTICE_FAILED,
    Event.KEYS_ROTATED,
    Event.KEY_RETIRED,
    Event.RECHECK_HELD,
    Event.ROW_ALTERED,
    Event.STORE_CREATED,
    Event.STORE_UPGRADED,
    Event.STORE_BACKED_UP,
}


@pytest.mark.parametrize("event", Event)
def test_every_event_is_told_of_or_kept_silent_on_purpose(event: Event) -> None:
    row = AuditRow(event, 0.0, account="ann@example.org", reason=Reason.REPLAY)
    assert (occasion(row) is None) == (event in SILENT)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.REPLAY])
def test_no_other_refused_login_is_a_letter(reason: Reason) -> None:
    assert occasion(AuditRow(Event.LOGIN_REFUSED, 0.0, account="ann@example.org", reason=reason)) is None


@pytest.mark.parametrize("reason", Reason)
def test_of_refused_sign_ins_a_copied_passkey_is_a_letter(reason: Reason) -> None:
    row = AuditRow(Event.SIGN_IN_REFUSED, 0.0, account="ann@example.org", credential="p", reason=reason)
    cloned = Occasion(NoticeKind.PASSKEY_CLONED, "p", WEEK)
    assert occasion(row) == (cloned if reason is Reason.PASSKEY_CLONED else None)


def test_a_replay_is_told_once_a_grant_and_network() -> None:
    row = AuditRow(Event.LOGIN_REFUSED, 0.0, origin=Origin.of("2001:db8::7", 1), credential="g", reason=Reason.REPLAY)
    assert occasion(row) == Occasion(NoticeKind.REPLAY, "g 2001:db8::/64", math.inf)


def test_what_repeats_by_itself_is_told_once_a_week() -> None:
    refused = AuditRow(Event.CLIENT_REFUSED, 0.0, credential="a")
    assert occasion(refused) == Occasion(NoticeKind.CLIENT_REFUSED, "a", WEEK)
    unnamed = AuditRow(Event.CLIENT_UNNAMED, 0.0, credential="a")
    assert occasion(unnamed) == Occasion(NoticeKind.CLIENT_UNNAMED, "a", WEEK)
    assert occasion(AuditRow(Event.VAULT_REFUSED, 0.0, credential="a")) == Occasion(NoticeKind.VAULT_REFUSED, "", WEEK)


@pytest.mark.parametrize(
    ("kind", "detail", "all_of_them"),
    [
        (NoticeKind.CODES_ISSUED, "1 bypass code", True),
        (NoticeKind.CODE_USED, "bypass code", True),
        (NoticeKind.CODES_ISSUED, "10 recovery codes", False),
        (NoticeKind.APP_PASSWORD_ISSUED, "bypass for imap", False),
    ],
)
def test_of_a_bypass_everybody_is_told(kind: NoticeKind, detail: str, all_of_them: bool) -> None:
    assert tells_all(Notice(kind, "ann@example.org", 0.0, detail=detail)) is all_of_them
