"""What peers hear."""

import re

import pytest

from mailguard.auth.attempt import Reason
from mailguard.protocols.codes import TEXT_MAX, URL_MAX, Say, imap, imap_alert, submission

URL = "https://mail.example.org/security"
SAY = Say(URL)
LATER = {
    Reason.THROTTLED,
    Reason.LOCKED,
    Reason.BACKEND_UNAVAILABLE,
    Reason.IDENTITY_UNAVAILABLE,
    Reason.BACKEND_REFUSED,
    Reason.BACKEND_UNSAFE,
    Reason.RECORDS_UNAVAILABLE,
    Reason.CLOCK_UNTRUSTED,
    Reason.SHUTTING_DOWN,
}
PROVEN = {
    Reason.APP_PASSWORD_REVOKED,
    Reason.APP_PASSWORD_EXPIRED,
    Reason.APP_PASSWORD_SCOPE,
    Reason.APP_PASSWORD_NEEDS_VAULT,
    Reason.VAULT_STALE,
}
UNIFORM = set(Reason) - LATER - PROVEN
TEXT = f"Sign-in failed. If two-step verification is on, use an app password or append your 6-digit code: {URL}"


def test_all_that_must_not_be_told_apart_is_one_reply() -> None:
    assert {imap(reason, b"a1", SAY) for reason in UNIFORM} == {f"a1 NO [AUTHENTICATIONFAILED] {TEXT}\r\n".encode()}
    assert {submission(reason, SAY) for reason in UNIFORM} == {f"535 5.7.8 {TEXT}\r\n".encode()}
    assert imap_alert(SAY) == f"* NO [ALERT] {TEXT}\r\n".encode()


@pytest.mark.parametrize("reason", sorted(LATER))
def test_trouble_of_ours_is_no_authentication_failure(reason: Reason) -> None:
    assert imap(reason, b"a1", SAY).startswith(b"a1 NO [UNAVAILABLE] ")
    assert submission(reason, SAY).startswith(b"454 4.7.0 ")


def test_who_has_proven_a_secret_is_told_why() -> None:
    assert imap(Reason.APP_PASSWORD_REVOKED, b"t", SAY) == (
        f"t NO [AUTHENTICATIONFAILED] This app password was revoked: {URL}\r\n".encode()
    )
    assert (
        submission(Reason.APP_PASSWORD_EXPIRED, SAY) == f"535 5.7.8 This app password has expired: {URL}\r\n".encode()
    )
    assert len({imap(reason, b"t", SAY) for reason in PROVEN}) == len(PROVEN)


@pytest.mark.parametrize("say", [Say(""), SAY, Say("h" * URL_MAX, "s" * 150), Say("h" * 40, "help@example.org")])
@pytest.mark.parametrize("reason", list(Reason))
def test_every_text_is_one_short_line(reason: Reason, say: Say) -> None:
    for reply, begin in (
        (imap(reason, b"t", say), rb"t NO \[[A-Z]+\] "),
        (submission(reason, say), rb"\d{3} \d\.\d\.\d "),
    ):
        found = re.fullmatch(begin + rb"([\x20-\x7e]+)\r\n", reply)
        assert found is not None
        assert len(found[1]) <= TEXT_MAX
        assert not found[1].startswith(b"[")


def test_support_is_named_where_it_fits_and_the_url_comes_last() -> None:
    assert Say(URL, "help@example.org").text("No") == f"No (support: help@example.org): {URL}"
    assert Say("", "the desk").text("No") == "No (support: the desk)"
    assert Say("").text("No") == "No"


@pytest.mark.parametrize("support", ["s" * 200, "Jürgen", "two\r\nlines"])
def test_support_that_does_not_fit_is_left_out(support: str) -> None:
    assert Say(URL, support).text("No") == f"No: {URL}"


@pytest.mark.parametrize(
    "url", ["https://x/" + "y" * URL_MAX, "https://x/ y", "https://müller.example/", "https://x/\r\n"]
)
def test_a_url_that_could_break_a_reply_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        Say(url)
