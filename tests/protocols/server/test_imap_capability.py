"""What is announced before login, and what of the store's words comes through."""

import pytest

from mailguard.protocols.server.imap_capability import announced, handover

EVERYTHING = frozenset({"IMAP4rev1", "IMAP4rev2", "LITERAL+", "LITERAL-", "IDLE", "ENABLE", "NAMESPACE"}) | {
    "COMPRESS=DEFLATE",
    "UNAUTHENTICATE",
    "PREAUTH",
    "AUTH=XOAUTH2",
}


@pytest.mark.parametrize(
    ("store", "tls", "starttls", "names"),
    [
        (EVERYTHING, True, False, "SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN"),
        (EVERYTHING, False, True, "SASL-IR LITERAL+ ID ENABLE IDLE STARTTLS LOGINDISABLED"),
        (EVERYTHING, True, True, "SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN"),
        (frozenset({"LITERAL-", "IDLE"}), True, False, "SASL-IR LITERAL- ID IDLE AUTH=PLAIN"),
        (frozenset[str](), True, False, "SASL-IR ID AUTH=PLAIN"),
        (frozenset[str](), False, False, "SASL-IR ID LOGINDISABLED"),
    ],
)
def test_only_what_is_needed_and_what_the_store_has_is_announced(
    store: frozenset[str], tls: bool, starttls: bool, names: str
) -> None:
    assert announced(store, tls=tls, starttls=starttls) == f"CAPABILITY IMAP4rev1 {names}".encode()


def test_only_the_tag_is_replaced() -> None:
    assert handover(b"t", b"OK [READ-ONLY] L a1 OK", [], asked=True) == b"t OK [READ-ONLY] L a1 OK\r\n"
    assert handover(b"t", b"OK", [], asked=True) == b"t OK\r\n"


def test_who_asked_before_login_is_told_in_a_line_of_its_own_once() -> None:
    reply = b"OK [CAPABILITY IMAP4rev1 IDLE] in"
    assert handover(b"t", reply, [], asked=True) == b"* CAPABILITY IMAP4rev1 IDLE\r\nt " + reply + b"\r\n"
    assert handover(b"t", reply, [], asked=False) == b"t " + reply + b"\r\n"
    assert handover(b"t", reply, [b"* CAPABILITY X\r\n"], asked=True) == b"* CAPABILITY X\r\nt " + reply + b"\r\n"


def test_clients_never_learn_of_unauthenticate() -> None:
    sent = handover(b"t", b"OK [capability A unauthenticate B] in", [b"* capability UNAUTHENTICATE C\r\n"], asked=True)
    assert sent == b"* CAPABILITY C\r\nt OK [CAPABILITY A B] in\r\n"


def test_alerts_come_through_and_chatter_about_our_login_does_not() -> None:
    untagged = [
        b"* OK [ALERT] disk full\r\n",
        b"* NO [ALERT] soon\r\n",
        b"* 1 EXISTS\r\n",
        b"* ID NIL\r\n",
        b"* BYE\r\n",
        b"* OK [REFERRAL imap://x/] y\r\n",
    ]
    assert (
        handover(b"t", b"OK in", untagged, asked=False) == b"* OK [ALERT] disk full\r\n* NO [ALERT] soon\r\nt OK in\r\n"
    )


@pytest.mark.parametrize("reply", [b"NO in", b"OKAY", b"OK in\r\n* BYE", b"OK \0", b"", b"* OK"])
def test_a_reply_that_is_no_ok_or_more_than_a_line_is_not_passed_on(reply: bytes) -> None:
    assert handover(b"t", reply, [], asked=False) == b"t OK Logged in\r\n"


def test_a_line_that_hides_another_is_not_passed_on() -> None:
    assert (
        handover(b"t", b"OK in", [b"* CAPABILITY A\r\n* BYE\r\n", b"* OK [ALERT] a\r\nt OK b\r\n"], asked=False)
        == b"t OK in\r\n"
    )
