"""IMAP before login: limits, refusals and ends that no real client shows."""

from base64 import b64encode

import pytest

from mailguard.auth.attempt import LoginAttempt, Reason
from mailguard.protocols.codes import Say
from mailguard.protocols.events import Close, Event, Reply, StartTls
from mailguard.protocols.sasl import RESPONSE_MAX
from mailguard.protocols.server.imap import BAD_COMMANDS_MAX, INPUT_MAX, LINE_MAX, REFUSALS_MAX, ImapDialogue
from mailguard.secret import Secret

FAILED = (
    b" NO [AUTHENTICATIONFAILED] Sign-in failed. If two-step verification is on,"
    b" use an app password or append your 6-digit code\r\n"
)


def under_tls() -> ImapDialogue:
    return ImapDialogue(tls=True, starttls=False, store_capabilities=frozenset({"LITERAL+"}), say=Say(""))


def in_clear() -> ImapDialogue:
    return ImapDialogue(tls=False, starttls=True, store_capabilities=frozenset({"LITERAL+"}), say=Say(""))


def said(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Reply))


def others(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Reply)]


def closed(events: list[Event]) -> bool:
    """Is the connection closed as abuse, at the end and nowhere before?"""
    closes = [isinstance(event, Close) and event.abuse for event in events]
    return closes[-1] and not any(closes[:-1])


def test_a_server_that_is_down_says_so_at_once() -> None:
    assert under_tls().busy() == b"* BYE The mail server is not available now, try again later\r\n"


class TestStartTls:
    @pytest.mark.parametrize("behind", [b"a LOGIN x y\r\n", b"\r\n", b"x", b"\x16\x03\x01"])
    def test_bytes_in_the_same_segment_close_and_get_no_answer(self, behind: bytes) -> None:
        events = in_clear().receive(b"s STARTTLS\r\n" + behind)
        assert said(events) == b"s BAD Nothing may follow STARTTLS\r\n"
        assert others(events) == [Close("bytes in clear behind STARTTLS", abuse=True)]

    def test_bytes_before_the_handshake_close_and_get_no_answer(self) -> None:
        dialogue = in_clear()
        assert dialogue.receive(b"s STARTTLS\r\n") == [Reply(b"s OK Begin TLS\r\n"), StartTls()]
        assert dialogue.receive(b"a LOGIN x y\r\n") == [Close("bytes in clear behind STARTTLS", abuse=True)]

    def test_what_was_learnt_in_clear_is_forgotten(self) -> None:
        dialogue = in_clear()
        dialogue.receive(b'a CAPABILITY\r\nb ID ("name" "liar")\r\nc STARTTLS\r\n')
        assert str(dialogue.client) == "liar"
        dialogue.tls_started()
        assert str(dialogue.client) == ""
        dialogue.receive(b"d LOGIN ann pw\r\n")
        assert dialogue.admitted(b"OK [CAPABILITY X] in", []) == b"d OK [CAPABILITY X] in\r\n"

    @pytest.mark.parametrize("tls", [True, False])
    def test_a_port_that_does_not_offer_it_refuses_it(self, tls: bool) -> None:
        dialogue = ImapDialogue(tls=tls, starttls=False, store_capabilities=frozenset(), say=Say(""))
        assert said(dialogue.receive(b"s STARTTLS\r\n")).startswith(b"s BAD ")

    def test_a_tls_record_on_a_clear_text_port_is_closed_without_a_word(self) -> None:
        assert in_clear().receive(b"\x16\x03\x01\x02\x00") == [Close("TLS on a clear-text port", abuse=False)]

    def test_the_octet_of_a_tls_record_is_nothing_special_later(self) -> None:
        dialogue = in_clear()
        dialogue.receive(b"a NOOP\r\n")
        assert said(dialogue.receive(b"\x16\r\n")) == b"* BAD Invalid tag or command\r\n"


class TestInClear:
    def test_no_password_is_asked_for_or_kept(self) -> None:
        dialogue = in_clear()
        events = dialogue.receive(b"a LOGIN {3}\r\n")
        assert events == [Reply(b"a NO [PRIVACYREQUIRED] Begin TLS first\r\n")]
        assert not dialogue.exposed

    @pytest.mark.parametrize(
        "line", [b"a LOGIN ann pw", b"a LOGIN {3+}\r\nann {2+}\r\npw", b"a AUTHENTICATE PLAIN AGEAYg=="]
    )
    def test_a_password_that_came_is_known_to_be_exposed(self, line: bytes) -> None:
        dialogue = in_clear()
        assert dialogue.receive(line + b"\r\n") == [Reply(b"a NO [PRIVACYREQUIRED] Begin TLS first\r\n")]
        assert dialogue.exposed
        dialogue.receive(b"b AUTHENTICATE PLAIN\r\n")
        assert dialogue.exposed


class TestTags:
    @pytest.mark.parametrize(
        "line",
        [
            b"a+b NOOP",
            b"+ NOOP",
            b"",
            b" NOOP",
            b"x" * 65 + b" NOOP",
            b"a\0 NOOP",
            b"\xc3\xa4 NOOP",
            b"(a) NOOP",
            b'"a" NOOP',
        ],
    )
    def test_bad_ones_are_never_sent_back(self, line: bytes) -> None:
        assert under_tls().receive(line + b"\r\n") == [Reply(b"* BAD Invalid tag or command\r\n")]

    @pytest.mark.parametrize("tag", [b"1", b"]", b"a[b].c/d:e=f@g#h$i,j", b"x" * 64])
    def test_unusual_ones_are_fine(self, tag: bytes) -> None:
        assert under_tls().receive(tag + b" noop\r\n") == [Reply(tag + b" OK Nothing done\r\n")]


class TestBadCommands:
    @pytest.mark.parametrize(
        "line",
        [
            b"a",
            b"a ",
            b"a SELECT INBOX",
            b"a UNAUTHENTICATE",
            b"a COMPRESS DEFLATE",
            b"a NOOP x",
            b"a NOOP ",
            b"a ENABLE",
            b"a ID",
            b"a AUTHENTICATE",
            b"a AUTHENTICATE PLAIN ",
            b"a AUTHENTICATE PLAIN AAAA AAAA",
            b'a AUTHENTICATE "PLAIN"',
            b"a LOGIN",
            b"a LOGIN ann",
            b"a LOGIN ann pw pw",
            b"a LOGIN ann  pw",
            b"a LOGIN (ann pw)",
            b"a LOGIN ()",
            b'a LOGIN ann "pw',
            b'a LOGIN ann "p\\w"',
            b'a LOGIN ann "p\0w"',
            b"a LOGIN ann p\xc3\xa4",
            b"a LOGIN ann " + b"x" * 1025,
            b"a LOGIN " + b"x" * 1025 + b" pw",
            b'a LOGIN ann "' + b"x" * 1025 + b'"',
            b"a LOGIN {-1}",
            b"a LOGIN {5 }",
            b"a LOGIN {+}",
            b"a LOGIN ~{5}",
            b"a LOGIN{5}",
            b"a LOGIN ann pw {2}",
            b"a SELECT {5}",
            b"a ID {5}",
            b"a " + b"X" * 33,
        ],
    )
    def test_they_are_refused_and_the_session_goes_on(self, line: bytes) -> None:
        dialogue = under_tls()
        events = dialogue.receive(line + b"\r\nb NOOP\r\n")
        assert len(events) == 2
        assert said(events[:1]).startswith(b"a BAD ")
        assert said(events[1:]) == b"b OK Nothing done\r\n"

    def test_a_few_end_the_connection(self) -> None:
        events = under_tls().receive(b"a FETCH\r\n" * (BAD_COMMANDS_MAX + 1))
        assert said(events).count(b"a BAD ") == BAD_COMMANDS_MAX
        assert said(events).endswith(b"* BYE Too many invalid commands\r\n")
        assert closed(events)

    @pytest.mark.parametrize(
        "line", [b"GET / HTTP/1.1", b"post /a?b http/1.0", b"Host: mail.example.org", b"PRI * HTTP/2.0"]
    )
    def test_http_is_closed_without_a_word(self, line: bytes) -> None:
        assert under_tls().receive(line + b"\r\nHost: x\r\n") == [Close("HTTP on a mail port", abuse=True)]

    @pytest.mark.parametrize("line", [b"a NOOP\n", b"a NOOP\rb NOOP\r\n", b"a LOGIN {3+}\r\nann \n"])
    def test_a_bare_newline_is_refused_and_ends_the_connection(self, line: bytes) -> None:
        events = under_tls().receive(line + b"b NOOP\r\n")
        assert said(events) == b"* BAD Lines must end in CRLF\r\n"
        assert closed(events)


class TestLiterals:
    @pytest.mark.parametrize("size", [b"1025", b"9999999999", b"99999999999", b"0" * 40])
    def test_one_that_waits_and_is_too_large_is_not_asked_for(self, size: bytes) -> None:
        events = under_tls().receive(b"a LOGIN {" + size + b"}\r\n")
        assert events == [Reply(b"a BAD [TOOBIG] Literal too large\r\n")]

    @pytest.mark.parametrize(
        "line",
        [
            b"a LOGIN {1025+}",
            b"a LOGIN ann {99999999999+}",
            b"a LOGIN ann pw {2+}",
            b"a SELECT {5+}",
            b"a LOGIN{5+}",
            b"a LOGIN ~{5+}",
            b'a LOGIN "ann {5+}',
            b"+ LOGIN {5+}",
        ],
    )
    def test_one_that_comes_blind_and_is_refused_ends_the_connection(self, line: bytes) -> None:
        events = under_tls().receive(line + b"\r\nb NOOP\r\n")
        assert said(events) == b"* BYE Literal refused\r\n"
        assert closed(events)

    @pytest.mark.parametrize("junk", [b"x", b"{1}", b"  pw", b")"])
    def test_only_a_space_or_the_end_may_follow(self, junk: bytes) -> None:
        events = under_tls().receive(b"a LOGIN {3+}\r\nann" + junk + b"\r\n")
        assert said(events).startswith(b"a BAD ")

    def test_nul_is_refused_behind_the_whole_command(self) -> None:
        events = under_tls().receive(b"a LOGIN {3+}\r\na\0b {2+}\r\npw\r\nb NOOP\r\n")
        assert said(events) == b"a BAD NUL is not allowed in strings\r\nb OK Nothing done\r\n"

    def test_the_largest_may_be_sent_twice(self) -> None:
        events = under_tls().receive(b"a LOGIN {1024+}\r\n" + b"n" * 1024 + b" {1024+}\r\n" + b"p" * 1024 + b"\r\n")
        assert events == [LoginAttempt("n" * 1024, Secret(b"p" * 1024), "LOGIN-COMMAND")]


class TestLogin:
    def test_quoted_strings_lose_their_quotes_only(self) -> None:
        events = under_tls().receive(b'a LOGIN "a\\"n" "\\\\p\xc3\xa4 \xff"\r\n')
        assert events == [LoginAttempt('a"n', Secret(b"\\p\xc3\xa4 \xff"), "LOGIN-COMMAND")]

    def test_a_bracket_is_fine_in_an_atom(self) -> None:
        assert under_tls().receive(b"a LOGIN a]b NIL\r\n") == [LoginAttempt("a]b", Secret(b"NIL"), "LOGIN-COMMAND")]

    @pytest.mark.parametrize("line", [b'a LOGIN "" pw', b'a LOGIN ann ""', b'a LOGIN "" ""'])
    def test_an_empty_name_or_password_is_the_uniform_failure(self, line: bytes) -> None:
        assert under_tls().receive(line + b"\r\n") == [Reply(b"a" + FAILED)]

    def test_commands_behind_it_wait_for_the_decision(self) -> None:
        dialogue = under_tls()
        assert dialogue.receive(b"a LOGIN ann pw\r\nb NOOP\r\nc SEL") == [
            LoginAttempt("ann", Secret(b"pw"), "LOGIN-COMMAND")
        ]
        assert dialogue.receive(b"ECT x\r\n") == []
        assert dialogue.admitted(b"OK in", []) == b"a OK in\r\n"
        assert dialogue.leftover() == b"b NOOP\r\nc SELECT x\r\n"
        assert dialogue.receive(b"d NOOP\r\n") == []

    def test_commands_behind_a_refused_one_are_parsed(self) -> None:
        dialogue = under_tls()
        dialogue.receive(b"a LOGIN ann pw\r\nb NOOP\r\nc LOGIN bob pw\r\nd NOOP\r\n")
        events = dialogue.refused(Reason.WRONG_PASSWORD, alert=True)
        assert said(events) == (b"* NO [ALERT]" + FAILED.partition(b"]")[2] + b"a" + FAILED + b"b OK Nothing done\r\n")
        assert others(events) == [LoginAttempt("bob", Secret(b"pw"), "LOGIN-COMMAND")]
        assert dialogue.leftover() == b"d NOOP\r\n"

    def test_many_refusals_end_the_connection(self) -> None:
        dialogue = under_tls()
        for _ in range(REFUSALS_MAX - 1):
            dialogue.receive(b"a LOGIN ann pw\r\n")
            assert dialogue.refused(Reason.WRONG_PASSWORD, alert=False) == [Reply(b"a" + FAILED)]
        dialogue.receive(b"a LOGIN ann pw\r\nb NOOP\r\n")
        events = dialogue.refused(Reason.WRONG_PASSWORD, alert=False)
        assert said(events) == b"a" + FAILED + b"* BYE Too many failed logins\r\n"
        assert closed(events)

    @pytest.mark.parametrize(
        "line", [b"a AUTHENTICATE X", b"a AUTHENTICATE PLAIN\r\n*", b"a AUTHENTICATE PLAIN =", b'a LOGIN "" ""']
    )
    def test_what_never_reaches_the_decision_counts_too(self, line: bytes) -> None:
        events = under_tls().receive((line + b"\r\n") * (REFUSALS_MAX + 1))
        assert said(events).endswith(b"* BYE Too many failed logins\r\n")
        assert closed(events)

    def test_a_client_names_itself_before_login(self) -> None:
        dialogue = under_tls()
        dialogue.receive(b'a ID ("name" "K-9 Mail" "version" "6.8")\r\n')
        assert str(dialogue.client) == "K-9 Mail 6.8"


class TestLimits:
    def test_a_command_line(self) -> None:
        longest = b"a NOOP " + b"x" * (LINE_MAX - 7)
        assert said(under_tls().receive(longest + b"\r\n")).startswith(b"a BAD ")
        events = under_tls().receive(longest + b"x")
        assert said(events) == b"* BYE Line too long\r\n"
        assert closed(events)

    def test_an_initial_response(self) -> None:
        password = b"x" * (RESPONSE_MAX // 4 * 3 - 5)
        response = b64encode(b"\0ann\0" + password)
        assert under_tls().receive(b"a authenticate PLAIN " + response + b"\r\n") == [
            LoginAttempt("ann", Secret(password), "PLAIN")
        ]
        events = under_tls().receive(b"a AUTHENTICATE PLAIN " + response + b"AAAA\r\n")
        assert events == [Reply(b"a BAD Response too long\r\n")]
        assert closed(under_tls().receive(b"a AUTHENTICATE PLAIN " + response + b"A" * 200))

    def test_a_response(self) -> None:
        dialogue = under_tls()
        dialogue.receive(b"a AUTHENTICATE PLAIN\r\n")
        assert closed(dialogue.receive(b"A" * (RESPONSE_MAX + 1)))

    def test_idle_bytes_without_a_line_end_are_not_kept(self) -> None:
        dialogue = under_tls()
        for _ in range(8):
            assert dialogue.receive(b"x" * 1024) == []
        assert closed(dialogue.receive(b"x"))
        assert dialogue.leftover() == b""

    @pytest.mark.parametrize("step", [1024, INPUT_MAX + 1])
    def test_all_input_of_a_connection(self, step: int) -> None:
        dialogue, events = under_tls(), list[Event]()
        data = b"ab NOOP\r\n" * (INPUT_MAX // 9 + 1)
        for at in range(0, len(data), step):
            events += dialogue.receive(data[at : at + step])
        assert said(events).count(b"ab OK") == INPUT_MAX // 9
        assert said(events).endswith(b"* BYE Too much input before login\r\n")
        assert closed(events)

    def test_a_login_with_too_much_behind_it_is_not_asked_about(self) -> None:
        events = under_tls().receive(b"a NOOP\r\nb LOGIN ann pw\r\n" + b"x" * INPUT_MAX)
        assert said(events) == b"a OK Nothing done\r\n* BYE Too much input before login\r\n"
        assert others(events) == [Close("Too much input before login", abuse=True)]

    def test_too_much_while_the_decision_is_asked_ends_it(self) -> None:
        dialogue = under_tls()
        dialogue.receive(b"b LOGIN ann pw\r\n")
        assert closed(dialogue.receive(b"x" * INPUT_MAX))
        assert dialogue.leftover() == b""


def test_no_repr_tells_a_password() -> None:
    dialogue = under_tls()
    dialogue.receive(b"a LOGIN ann {7+}\r\nhunter2")
    held = [getattr(dialogue, name) for name in vars(dialogue)]
    assert "hunter2" not in repr((dialogue, held))
    assert "hunter2" not in repr(dialogue.receive(b"\r\n"))
