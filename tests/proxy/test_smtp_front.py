"""Submission before login, as clients and strangers speak it: whole, and byte by byte."""

import asyncio
import socket
from base64 import b64encode

import pytest

from mailguard.auth.attempt import Reason
from mailguard.net.stream import adopt
from mailguard.protocols.codes import submission
from mailguard.proxy.smtp_front import SubmissionFront, SubmissionPort
from tests.proxy.submission import FAILED, GREETING, PASSED, SAY, Fronts, ScriptedGate, plain, replay, scripted

STEPS = pytest.mark.parametrize("step", [1, 7, 100_000])


@STEPS
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            """
            S: 220 mail.example.org ESMTP mailguard
            C: EHLO [192.0.2.10]
            S: 250-mail.example.org
            S: 250-PIPELINING
            S: 250-SIZE 52428800
            S: 250-8BITMIME
            S: 250-SMTPUTF8
            S: 250 AUTH PLAIN LOGIN
            C: NOOP
            S: 250 2.0.0 OK
            C: NOOP ignored
            S: 250 2.0.0 OK
            C: RSET
            S: 250 2.0.0 OK
            C: vrfy ann@example.org
            S: 252 2.5.2 Not verified, send some mail
            C: HELP AUTH
            S: 214 2.0.0 Log in with AUTH: https://mail.example.org/security
            C: HELO old.example
            S: 250 mail.example.org
            C: quit
            S: 221 2.0.0 Bye""",
            id="courtesies",
        ),
        pytest.param(
            """
            S: 220 mail.example.org ESMTP mailguard
            C: MAIL FROM:<ann@example.org>
            S: 530 5.7.0 Authentication required
            C: XCLIENT LOGIN=bob@example.org
            S: 530 5.7.0 Authentication required
            C: LHLO x
            S: 530 5.7.0 Authentication required
            C: DATA
            S: 530 5.7.0 Authentication required
            C:
            S: 530 5.7.0 Authentication required
            C: \\xff\\xfe
            S: 530 5.7.0 Authentication required
            C: EHLO
            S: 501 5.5.4 Say who you are: EHLO hostname
            C: HELO \x20
            S: 501 5.5.4 Say who you are: EHLO hostname
            C: QUIT now
            S: 221 2.0.0 Bye""",
            id="everything else waits for the login",
        ),
        pytest.param(
            """
            S: 220 mail.example.org ESMTP mailguard
            C: AUTH PLAIN {plain}
            S: 503 5.5.1 Send EHLO first
            C: HELO old.example
            S: 250 mail.example.org
            C: AUTH PLAIN {plain}
            S: 503 5.5.1 Send EHLO first
            C: EHLO x
            S: 250-mail.example.org
            S: 250-PIPELINING
            S: 250-SIZE 52428800
            S: 250-8BITMIME
            S: 250-SMTPUTF8
            S: 250 AUTH PLAIN LOGIN
            C: AUTH
            S: 501 5.5.4 Name a mechanism: PLAIN or LOGIN
            C: AUTH CRAM-MD5
            S: 504 5.5.4 The mechanisms are PLAIN and LOGIN
            C: AUTH XOAUTH2 {plain}
            S: 504 5.5.4 The mechanisms are PLAIN and LOGIN
            C: AUTH PL\\xc4IN
            S: 504 5.5.4 The mechanisms are PLAIN and LOGIN
            C: QUIT
            S: 221 2.0.0 Bye""",
            id="AUTH out of place",
        ),
        pytest.param(
            """
            S: 220 mail.example.org ESMTP mailguard
            C: EHLO x
            S: 250-mail.example.org
            S: 250-PIPELINING
            S: 250-SIZE 52428800
            S: 250-8BITMIME
            S: 250-SMTPUTF8
            S: 250 AUTH PLAIN LOGIN
            C: AUTH PLAIN =
            S: {failed}
            C: AUTH PLAIN !!!
            S: 501 5.5.2 That is not base64
            C: AUTH PLAIN {wrong} {wrong}
            S: 501 5.5.2 That is not base64
            C: AUTH PLAIN
            S: 334\x20
            C: *
            S: 501 5.5.2 Authentication cancelled
            C: AUTH LOGIN
            S: 334 VXNlcm5hbWU6
            C: YW5uQGV4YW1wbGUub3Jn
            S: 334 UGFzc3dvcmQ6
            C: *
            S: 501 5.5.2 Authentication cancelled
            C: AUTH LOGIN YW5uQGV4YW1wbGUub3Jn
            S: 334 UGFzc3dvcmQ6
            C: MAIL FROM:<ann@example.org>
            S: 501 5.5.2 That is not base64
            C: AUTH PLAIN
            S: 334\x20
            C: {wrong}
            S: {failed}
            C: auth plain {wrong}
            S: {failed}
            C: QUIT
            S: 221 2.0.0 Bye""",
            id="logins that fail",
        ),
    ],
)
async def test_on_the_tls_port(fronts: Fronts, text: str, step: int) -> None:
    async with fronts.front() as front:
        expected, heard = await replay(front, scripted(text), step)
    assert heard == expected


@STEPS
async def test_on_the_starttls_port(fronts: Fronts, step: int) -> None:
    text = """
        S: 220 mail.example.org ESMTP mailguard
        C: NOOP
        S: 250 2.0.0 OK
        C: HELO old.example
        S: 250 mail.example.org
        C: EHLO clear.example
        S: 250-mail.example.org
        S: 250-PIPELINING
        S: 250-SIZE 52428800
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250 STARTTLS
        C: AUTH PLAIN {plain}
        S: 538 5.7.11 Encryption required, begin with STARTTLS
        C: AUTH LOGIN
        S: 538 5.7.11 Encryption required, begin with STARTTLS
        C: YW5uQGV4YW1wbGUub3Jn
        S: 530 5.7.0 Must issue a STARTTLS command first
        C: RSET
        S: 530 5.7.0 Must issue a STARTTLS command first
        C: MAIL FROM:<ann@example.org>
        S: 530 5.7.0 Must issue a STARTTLS command first
        C: starttls
        S: 220 2.0.0 Ready to start TLS
        ! tls
        # What was said in clear is forgotten.
        C: AUTH PLAIN {plain}
        S: 503 5.5.1 Send EHLO first
        C: EHLO tls.example
        S: 250-mail.example.org
        S: 250-PIPELINING
        S: 250-SIZE 52428800
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250 AUTH PLAIN LOGIN
        C: AUTH PLAIN {plain}
        S: 235 2.7.0 Authentication successful
        C: QUIT
        S: 221 Bye"""
    async with fronts.front(starttls=True) as front:
        expected, heard = await replay(front, scripted(text), step)
        assert front.gate.attempts == [("ann@example.org", b"hunter2hunter2 123456", "PLAIN", "tls.example")]
    assert heard == expected


@pytest.mark.parametrize("starttls", [True, False])
async def test_tls_begins_once(fronts: Fronts, starttls: bool) -> None:
    async with fronts.front(starttls=starttls) as front, front.client() as client:
        assert await client.reply() == GREETING
        if starttls:
            assert await client.ask(b"STARTTLS now") == b"501 5.5.4 STARTTLS takes no argument\r\n"
            assert await client.ask(b"STARTTLS") == b"220 2.0.0 Ready to start TLS\r\n"
            await client.start_tls()
        assert await client.ask(b"STARTTLS") == b"503 5.5.1 TLS has begun already\r\n"
        assert b"STARTTLS" not in await client.ask(b"EHLO x")
        assert await client.ask(b"AUTH PLAIN " + plain()) == PASSED


@pytest.mark.parametrize(
    "behind",
    [
        pytest.param(b"NOOP\r\n", id="a command"),
        pytest.param(b"A", id="one byte"),
        pytest.param(b"AUTH PLAIN " + plain() + b"\r\nMAIL FROM:<ann@example.org>\r\n", id="a login"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", id="a ClientHello"),
        pytest.param(b"NOOP\r\n" * 1000, id="6000 bytes"),
        pytest.param(b"N" * 200_000, id="more than is buffered"),
    ],
)
async def test_starttls_with_anything_behind_it_closes(fronts: Fronts, behind: bytes) -> None:
    async with fronts.front(starttls=True) as front:
        async with front.client() as client:
            assert await client.reply() == GREETING
            client.send(b"STARTTLS\r\n" + behind)
            assert await client.rest() == b"501 5.5.1 Nothing may follow STARTTLS\r\n"
        await front.settled()
        assert front.gate.attempts == []
        assert front.gate.ended == ["sent bytes behind STARTTLS"]


async def test_clear_text_in_place_of_the_handshake_is_never_read_as_commands(fronts: Fronts) -> None:
    async with fronts.front(starttls=True) as front:
        async with front.client() as client:
            assert await client.reply() == GREETING
            assert await client.ask(b"STARTTLS") == b"220 2.0.0 Ready to start TLS\r\n"
            client.send(b"EHLO x\r\nAUTH PLAIN " + plain() + b"\r\n")
            assert b"250" not in await client.rest()  # at most a TLS alert
        await front.settled()
        assert front.gate.attempts == []
        assert front.gate.ended == ["no TLS"]


async def test_nothing_is_read_while_the_word_to_begin_tls_waits_to_be_sent(fronts: Fronts) -> None:
    """A client that does not read holds up the 220; what it says meanwhile must not be kept for after the handshake."""
    loop = asyncio.get_running_loop()
    port = SubmissionPort("mail.example.org", SAY, tuple, fronts.context, starttls=True)
    front = SubmissionFront(port, ScriptedGate(fronts.store), loop)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        await adopt(ours, lambda: front, context=None)
        assert await loop.sock_recv(theirs, 1000) == GREETING
        front.pause_writing()  # as the transport does when its buffer is full
        await loop.sock_sendall(theirs, b"STARTTLS\r\n")
        assert await loop.sock_recv(theirs, 1000) == b"220 2.0.0 Ready to start TLS\r\n"
        await loop.sock_sendall(theirs, b"NOOP\r\n")
        await asyncio.sleep(0.05)
        assert front.lines.leftover() == b""
        front.resume_writing()
        assert await front.finished() is None
        assert front.why == "no TLS"


@pytest.mark.parametrize("starttls", [True, False])
async def test_a_store_that_is_down_is_told_in_the_greeting(fronts: Fronts, starttls: bool) -> None:
    # Later, Thunderbird would take it for a wrong password and ask for another.
    async with fronts.front(starttls=starttls, keywords=lambda: None) as front:
        async with front.client() as client:
            assert await client.rest() == b"421 4.3.2 The mail server is not available now, try again later\r\n"
        await front.settled()
        assert front.gate.ended == ["the store is down"]


async def test_the_list_of_keywords_is_asked_for_once(fronts: Fronts) -> None:
    lists = iter([(b"PIPELINING",), (b"CHUNKING",)])
    async with fronts.front(keywords=lambda: next(lists)) as front, front.client() as client:
        await client.reply()
        for _ in range(2):
            heard = await client.ask(b"EHLO x")
            assert heard == b"250-mail.example.org\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN\r\n"


async def test_a_store_without_keywords_is_announced_too(fronts: Fronts) -> None:
    async with fronts.front(keywords=tuple) as front, front.client() as client:
        await client.reply()
        assert await client.ask(b"EHLO x") == b"250-mail.example.org\r\n250 AUTH PLAIN LOGIN\r\n"


@pytest.mark.parametrize("starttls", [True, False])
async def test_ten_errors_end_it(fronts: Fronts, starttls: bool) -> None:
    async with fronts.front(starttls=starttls) as front:
        async with front.client() as client:
            assert await client.reply() == GREETING
            client.send(b"NOOP\r\n" + b"DATA\r\n" * 30)
            said = (await client.rest()).split(b"\r\n")
            assert said[0] == b"250 2.0.0 OK"
            assert [line[:9] for line in said[1:11]] == [b"530 5.7.0"] * 10
            assert said[11:] == [b"421 4.7.0 Too many errors, closing", b""]
        await front.settled()
        assert front.gate.ended == ["too many errors"]


async def test_refused_logins_are_errors_too(fronts: Fronts) -> None:
    async with fronts.front() as front:
        async with front.client() as client:
            await client.reply()
            await client.ask(b"EHLO x")
            for guess in range(9):
                assert await client.ask(b"AUTH PLAIN " + plain(b"guess %d" % guess)) == FAILED
            client.send(b"AUTH PLAIN " + plain(b"guess 9") + b"\r\nAUTH PLAIN " + plain(b"guess 10") + b"\r\n")
            assert await client.rest() == FAILED + b"421 4.7.0 Too many errors, closing\r\n"
        await front.settled()
        assert len(front.gate.attempts) == 10


@pytest.mark.parametrize("reason", Reason)
async def test_a_refusal_is_worded_by_its_reason_and_the_dialogue_goes_on(fronts: Fronts, reason: Reason) -> None:
    async with fronts.front() as front, front.client() as client:
        front.gate.reason = reason
        await client.reply()
        await client.ask(b"EHLO x")
        assert await client.ask(b"AUTH PLAIN " + plain(b"wrong")) == submission(reason, SAY)
        assert await client.ask(b"AUTH PLAIN " + plain()) == PASSED


@pytest.mark.parametrize("broken", [b"NOOP\n", b"NOOP\rQUIT\r\n", b"EHLO x\nAUTH PLAIN abc\r\n", b"\r\r\n", b"\n"])
async def test_lines_end_in_crlf_and_nothing_else(fronts: Fronts, broken: bytes) -> None:
    async with fronts.front() as front:
        async with front.client() as client:
            assert await client.reply() == GREETING
            client.send(broken + b"NOOP\r\n")
            assert await client.rest() == b"500 5.5.2 Lines end in CRLF, nothing else does\r\n"
        await front.settled()
        assert front.gate.ended == ["sent a bare CR or LF"]


@pytest.mark.parametrize("command", [b"GET / HTTP/1.1", b"post /x http/1.0", b"Host: mail.example.org"])
async def test_a_browser_is_shown_nothing(fronts: Fronts, command: bytes) -> None:
    async with fronts.front() as front:
        async with front.client() as client:
            assert await client.reply() == GREETING
            client.send(command + b"\r\n\r\n<script>")
            assert await client.rest() == b""
        await front.settled()
        assert front.gate.ended == ["spoke HTTP"]


async def test_tls_on_a_clear_port_is_closed_without_a_word(fronts: Fronts) -> None:
    async with fronts.front(starttls=True) as front:
        async with front.client() as client:
            assert await client.reply() == GREETING
            client.send(b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03" + bytes(200))  # iOS, probing port 587
            assert await client.rest() == b""
        await front.settled()
        assert front.gate.ended == ["began TLS on a clear port"]


async def test_no_tls_on_the_tls_port(fronts: Fronts) -> None:
    async with fronts.front() as front:
        front.starttls = True  # so that this client begins in clear
        async with front.client() as client:
            client.send(b"EHLO x\r\n")
            assert b"220" not in await client.rest()
        await front.settled()
        assert front.gate.ended == ["no TLS"]


LONG = b"500 5.5.6 Line too long\r\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        pytest.param(b"NOOP " + b"x" * 505, b"250 2.0.0 OK\r\n", id="512 octets"),
        pytest.param(b"NOOP " + b"x" * 506, LONG, id="513 octets"),
        pytest.param(b"AUTH PLAIN " + b"!" * 12_275, b"501 5.5.2 That is not base64\r\n", id="AUTH, 12288 octets"),
        pytest.param(b"AUTH PLAIN " + b"!" * 12_276, LONG, id="AUTH, 12289 octets"),
        pytest.param(b"AUTH PLAIN " + b"!" * 40_000, LONG, id="AUTH, more than is buffered"),
        pytest.param(b"AUTHENTICATE " + b"x" * 600, LONG, id="not quite AUTH"),
    ],
)
async def test_the_length_of_lines(fronts: Fronts, line: bytes, answer: bytes) -> None:
    async with fronts.front() as front, front.client() as client:
        await client.reply()
        await client.ask(b"EHLO x")
        assert await client.ask(line) == answer
        assert await client.ask(b"NOOP") == b"250 2.0.0 OK\r\n"


async def test_the_length_of_answers_to_a_challenge(fronts: Fronts) -> None:
    password = b"p" * 9_000
    async with fronts.front() as front, front.client() as client:
        await client.reply()
        await client.ask(b"EHLO x")
        for response, answer in [(plain(password), FAILED), (b"A" * 12_287, LONG), (b"A" * 50_000, LONG)]:
            assert await client.ask(b"AUTH PLAIN") == b"334 \r\n"
            assert await client.ask(response) == answer
        assert await client.ask(b"NOOP") == b"250 2.0.0 OK\r\n"
    assert [attempt[1] for attempt in front.gate.attempts] == [password]


async def test_a_line_without_end(fronts: Fronts) -> None:
    async with fronts.front() as front:
        async with front.client() as client:
            await client.reply()
            client.send(b"A" * 400_000)
            assert await client.rest() == LONG
        await front.settled()
        assert front.gate.ended == ["sent a line without end"]


@pytest.mark.parametrize(
    ("argument", "passed_on"),
    [
        (b"[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
        (b"J\xc3\xbcrgen-PC", "Jürgen-PC"),
        (b"\xff", "\udcff"),
    ],
)
async def test_what_a_client_calls_itself_is_passed_on(fronts: Fronts, argument: bytes, passed_on: str) -> None:
    async with fronts.front() as front, front.client() as client:
        await client.reply()
        assert (await client.ask(b"EHLO " + argument)).startswith(b"250-")
        assert await client.ask(b"AUTH PLAIN " + plain()) == PASSED
        assert front.gate.attempts[0][3] == passed_on


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        pytest.param(b"\0ann\0pw", ("ann", b"pw"), id="authzid empty"),
        pytest.param(b"ann\0ann\0pw", ("ann", b"pw"), id="authzid equal"),
        pytest.param(b"bob\0ann\0pw", None, id="authzid of another"),
        pytest.param(b"ann\0pw", None, id="one NUL"),
        pytest.param(b"\0ann\0pw\0", None, id="three NULs"),
        pytest.param(b"\0\0pw", None, id="no user"),
        pytest.param(b"\0ann\0", None, id="no password"),
        pytest.param(b"\0j\xc3\xbcrgen\0p\xc3\xa4ss", ("j\u00fcrgen", b"p\xc3\xa4ss"), id="UTF-8, NFC"),
        pytest.param(b"\0ju\xcc\x88rgen\0pw", ("ju\u0308rgen", b"pw"), id="UTF-8, NFD"),
        pytest.param(b"\0j\xfcrgen\0p\xe4ss", ("j\u00fcrgen", b"p\xe4ss"), id="8-bit"),
        pytest.param(b"\0ann\0p w\r\n", ("ann", b"p w\r\n"), id="exactly as sent"),
    ],
)
@pytest.mark.parametrize("initial", [True, False])
async def test_what_a_plain_message_must_be(
    fronts: Fronts, message: bytes, asked: tuple[str, bytes] | None, initial: bool
) -> None:
    response = b64encode(message)
    async with fronts.front() as front, front.client() as client:
        await client.reply()
        await client.ask(b"EHLO x")
        if initial:
            assert await client.ask(b"AUTH PLAIN " + response) == FAILED
        else:
            assert await client.ask(b"AUTH PLAIN") == b"334 \r\n"
            assert await client.ask(response) == FAILED
    assert front.gate.attempts == ([(*asked, "PLAIN", "x")] if asked else [])


async def test_a_client_that_leaves_frees_its_place_at_once(fronts: Fronts) -> None:
    async with fronts.front(starttls=True) as front:
        async with front.client() as client:
            assert await client.reply() == GREETING
        await front.settled()
        async with front.client() as client:
            assert await client.reply() == GREETING
            client.send(b"QUIT\r\n")
            assert await client.rest() == b"221 2.0.0 Bye\r\n"
        await front.settled()
        assert front.gate.ended == ["the client left", "quit"]
        assert front.admitted == 0
