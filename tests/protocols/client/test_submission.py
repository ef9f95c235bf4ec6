import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.protocols.client.submission import (
    ClientEvent,
    Failed,
    Fault,
    LoggedIn,
    Offer,
    SubmissionDialogue,
)
from mailguard.protocols.events import Reply, StartTls
from mailguard.secret import Secret

PLAIN = Secret(b"\0ann@example.org\0correct horse")
RESPONSE = base64.b64encode(PLAIN.reveal())
EHLO = b"EHLO laptop.example\r\n"
GREETING = b"220 store ESMTP\r\n"
OFFER = b"250-store\r\n250-SIZE 1000\r\n250 AUTH PLAIN LOGIN\r\n"
OFFER_IN_CLEAR = b"250-store\r\n250 STARTTLS\r\n"
YES = b"235 2.7.0 ok\r\n"


def converse(
    script: list[bytes], *, starttls: bool = False, message: Secret = PLAIN, step: int = 4096
) -> tuple[list[ClientEvent], SubmissionDialogue]:
    """Play what the store says, `step` octets at a time, and do what the dialogue asks for."""
    dialogue = SubmissionDialogue("laptop.example", starttls=starttls)
    events: list[ClientEvent] = []
    for said in script:
        for start in range(0, len(said), step):
            due = dialogue.receive(said[start : start + step])
            while due:
                event = due.pop(0)
                events.append(event)
                match event:
                    case StartTls():
                        due += dialogue.tls_started()
                    case Offer():
                        due += dialogue.log_in(message)
                    case _:
                        pass
    return events, dialogue


def fault(script: list[bytes], *, starttls: bool = False, step: int = 4096) -> Failed:
    events, _ = converse(script, starttls=starttls, step=step)
    failed = events[-1]
    assert isinstance(failed, Failed), events
    assert [each for each in events if isinstance(each, Failed)] == [failed]
    return failed


@pytest.mark.parametrize(
    ("said", "greeted"),
    [
        (b"", None),
        (b"220 store", None),
        (b"220 store\r\n", "220 store"),
        (b"220-\x07store\r\n220 two\r\n", "220 \\x07store two"),
        (b"554 too busy\r\n", None),
    ],
)
def test_a_greeting_counts_once_it_is_whole_and_sound(said: bytes, greeted: str | None) -> None:
    _, dialogue = converse([said])
    assert dialogue.greeting == greeted


@pytest.mark.parametrize("step", [1, 3, 4096])
def test_a_login_over_implicit_tls(step: int) -> None:
    events, dialogue = converse([GREETING, OFFER, YES], step=step)
    keywords = {"SIZE": "1000", "AUTH": "PLAIN LOGIN"}
    assert events == [
        Reply(EHLO),
        Offer(keywords, frozenset(keywords)),
        Reply(b"AUTH PLAIN " + RESPONSE + b"\r\n"),
        LoggedIn(YES),
    ]
    assert dialogue.leftover() == b""


@pytest.mark.parametrize("step", [1, 3, 4096])
def test_a_login_over_starttls_forgets_what_was_said_in_clear(step: int) -> None:
    events, _ = converse([GREETING, OFFER_IN_CLEAR, b"220 go\r\n", OFFER, YES], starttls=True, step=step)
    keywords = {"SIZE": "1000", "AUTH": "PLAIN LOGIN"}
    assert events == [
        Reply(EHLO),
        Reply(b"STARTTLS\r\n"),
        StartTls(),
        Reply(EHLO),
        Offer(keywords, frozenset({"SIZE", "AUTH", "STARTTLS"})),
        Reply(b"AUTH PLAIN " + RESPONSE + b"\r\n"),
        LoggedIn(YES),
    ]


def test_a_long_response_waits_for_its_turn() -> None:
    message = Secret(b"\0ann@example.org\0" + b"x" * 600)
    events, _ = converse([GREETING, OFFER, b"334 \r\n", YES], message=message)
    assert events[2:] == [
        Reply(b"AUTH PLAIN\r\n"),
        Reply(base64.b64encode(message.reveal()) + b"\r\n"),
        LoggedIn(YES),
    ]


def test_the_longest_initial_response_fills_a_command_line() -> None:
    fits = Secret(b"\0a\0" + b"x" * 369)  # 496 of base64, "AUTH PLAIN " and CRLF: 509; three octets more: 513
    events, _ = converse([GREETING, OFFER, YES], message=fits)
    assert isinstance(sent := events[2], Reply)
    assert len(sent.data) == 509
    events, _ = converse([GREETING, OFFER], message=Secret(fits.reveal() + b"xxx"))
    assert events[2] == Reply(b"AUTH PLAIN\r\n")


def test_every_line_of_a_235_and_every_octet_behind_it_is_kept() -> None:
    yes = b"235-2.7.0 Welcome\r\n235 2.7.0 ok\r\n"
    events, dialogue = converse([GREETING, OFFER, yes + b"421 4.3.2 bye\r\n25"])
    assert events[-1] == LoggedIn(yes)
    assert dialogue.leftover() == b"421 4.3.2 bye\r\n25"


def test_both_forms_of_the_auth_keyword_add_up() -> None:
    events, _ = converse([GREETING, b"250-store\r\n250-AUTH LOGIN\r\n250 AUTH=plain\r\n", YES])
    assert isinstance(events[-1], LoggedIn)


def test_lines_that_are_no_keywords_are_passed_over() -> None:
    events, _ = converse([GREETING, b"250-store\r\n250-\r\n250-!odd\r\n250 auth PLAIN\r\n", YES])
    assert events[1] == Offer({"AUTH": "PLAIN"}, frozenset({"AUTH"}))


@pytest.mark.parametrize("step", [1, 4096])
@pytest.mark.parametrize(
    ("script", "kind", "text"),
    [
        pytest.param([b"554 5.3.2 go away\r\n"], Fault.GREETING, "554 5.3.2 go away", id="turned away"),
        pytest.param([b"421 4.3.2 busy\r\n"], Fault.GREETING, "421 4.3.2 busy", id="busy"),
        pytest.param([b"* OK IMAP4rev1 ready\r\n"], Fault.GREETING, "not a line of a reply", id="an IMAP store"),
        pytest.param([b"HTTP/1.1 400 Bad Request\r\n"], Fault.GREETING, "not a line of a reply", id="a web server"),
        pytest.param([GREETING, b"502 what?\r\n"], Fault.VIOLATION, "EHLO", id="no EHLO"),
        pytest.param([GREETING, b"421 4.3.2 later\r\n"], Fault.TEMPORARY, "EHLO", id="busy at EHLO"),
        pytest.param([GREETING, b"250 store\r\n"], Fault.VIOLATION, "AUTH PLAIN", id="no AUTH"),
        pytest.param([GREETING, b"250-store\r\n250 AUTH GSSAPI\r\n"], Fault.VIOLATION, "AUTH PLAIN", id="no PLAIN"),
        pytest.param([GREETING, OFFER, b"535 5.7.8 no\r\n"], Fault.REFUSED, "535 5.7.8 no", id="wrong password"),
        pytest.param([GREETING, OFFER, b"454 4.7.0 later\r\n"], Fault.TEMPORARY, "454 4.7.0", id="temporary"),
        pytest.param([GREETING, OFFER, b"421 4.7.0 bye\r\n"], Fault.TEMPORARY, "421 4.7.0", id="closing"),
        pytest.param([GREETING, OFFER, b"550 5.7.1 no\r\n"], Fault.VIOLATION, "550 5.7.1", id="an odd refusal"),
        pytest.param([GREETING, OFFER, b"334 \r\n"], Fault.VIOLATION, "334", id="unexpected continuation"),
        pytest.param([GREETING, OFFER, b"250 fine\r\n"], Fault.VIOLATION, "250 fine", id="another yes"),
        pytest.param([GREETING, OFFER, b"235 ok\n"], Fault.VIOLATION, "bare LF", id="bare LF"),
        pytest.param([GREETING, OFFER, b"235-a\r\n250 b\r\n"], Fault.VIOLATION, "different codes", id="mixed codes"),
        pytest.param([GREETING, b"250-" + b"x" * 3000], Fault.VIOLATION, "overlong", id="overlong line"),
        pytest.param([GREETING, b"250-x\r\n" * 1500], Fault.VIOLATION, "without an end", id="endless reply"),
    ],
)
def test_a_store_that_cannot_be_used(script: list[bytes], kind: Fault, text: str, step: int) -> None:
    failed = fault(script, step=step)
    assert failed.fault is kind
    assert text in failed.text


@pytest.mark.parametrize("step", [1, 4096])
@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param([GREETING, OFFER], Fault.NO_TLS, id="not offered"),
        pytest.param([GREETING, OFFER_IN_CLEAR, b"454 4.7.0 no\r\n"], Fault.NO_TLS, id="refused for now"),
        pytest.param([GREETING, OFFER_IN_CLEAR, b"502 no\r\n"], Fault.NO_TLS, id="refused"),
    ],
)
def test_without_tls_nothing_goes_on(script: list[bytes], kind: Fault, step: int) -> None:
    assert fault(script, starttls=True, step=step).fault is kind


def test_bytes_behind_the_answer_to_starttls_are_an_injection() -> None:
    failed = fault([GREETING, OFFER_IN_CLEAR, b"220 go\r\n" + OFFER], starttls=True)
    assert failed.fault is Fault.NO_TLS


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([GREETING + OFFER], id="before EHLO was asked"),
        pytest.param([GREETING, OFFER + YES], id="a yes before the credential"),
        pytest.param([GREETING, OFFER + b"2"], id="a first octet of one"),
    ],
)
def test_a_store_that_speaks_out_of_turn_is_given_up(script: list[bytes]) -> None:
    assert fault(script).fault is Fault.VIOLATION


def test_a_store_that_speaks_while_the_login_is_decided_is_given_up() -> None:
    dialogue = SubmissionDialogue("laptop.example", starttls=False)
    dialogue.receive(GREETING)
    assert isinstance(dialogue.receive(OFFER)[-1], Offer)
    failed = dialogue.receive(YES)[-1]
    assert isinstance(failed, Failed)
    assert failed.fault is Fault.VIOLATION
    assert dialogue.receive(YES) == []


def test_a_yes_to_a_credential_not_yet_heard_is_no_login() -> None:
    long = Secret(b"\0ann@example.org\0" + b"x" * 600)
    for answer in (b"235 ok\r\n", b"535 no\r\n"):
        events, _ = converse([GREETING, OFFER, answer], message=long)
        failed = events[-1]
        assert isinstance(failed, Failed)
        assert failed.fault is Fault.VIOLATION


@pytest.mark.parametrize("echo", [RESPONSE, RESPONSE.upper(), RESPONSE[:20], b"correct horse"])
def test_a_store_that_repeats_the_credential_is_not_quoted(echo: bytes) -> None:
    failed = fault([GREETING, OFFER, b"500 unknown: " + echo + b"\r\n"])
    assert "withheld" in failed.text
    assert echo.decode() not in failed.text


@given(st.lists(st.binary(max_size=40)), st.booleans())
def test_no_store_makes_it_raise(chunks: list[bytes], starttls: bool) -> None:
    converse(chunks, starttls=starttls)


@given(st.lists(st.sampled_from([GREETING, OFFER, OFFER_IN_CLEAR, YES, b"334 \r\n", b"220 go\r\n", b"5", b"\r\n"])))
def test_no_order_of_sound_words_logs_in_without_the_credential(script: list[bytes]) -> None:
    events, _ = converse(script)
    if any(isinstance(event, LoggedIn) for event in events):
        assert Reply(b"AUTH PLAIN " + RESPONSE + b"\r\n") in events
