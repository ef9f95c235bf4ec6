"""The login to an IMAP store, word for word and cut by cut."""

import asyncio
import base64
import ssl
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth.attempt import LoginForm, MailProtocol
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.imap import ImapWire
from mailguard.backends.imap_login import ImapLeg, log_in
from mailguard.backends.login import Credential
from mailguard.backends.target import Target
from mailguard.config import TlsMode
from mailguard.secret import Secret
from tests.backends.conftest import CALLER
from tests.backends.memory_store import MemoryStore, Pieces, whole

CREDENTIAL = Credential("", "ann@example.org", Secret(b"secret"))
RESPONSE = base64.b64encode(b"\0ann@example.org\0secret")
GREETING = b"* OK [CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN] ready\r\n"
YES = b"%t OK [CAPABILITY IMAP4rev1 MOVE] Logged in\r\n"


def way(**changes: Any) -> Target:
    known: dict[str, Any] = {"host": "127.0.0.1", "port": 143, "tls": TlsMode.NONE, "hostname": "mail.example.org"}
    return Target(protocol=MailProtocol.IMAP, **(known | changes))


MASTER = way(form=LoginForm.MASTER, master_user="gate", master_secret=Secret(b"m"))


async def converse(
    *script: bytes, target: Target | None = None, credential: Credential = CREDENTIAL, pieces: Pieces = whole
) -> tuple[ImapLeg, MemoryStore]:
    wire = ImapWire(asyncio.get_running_loop())
    store = MemoryStore(wire, script, pieces)
    async with asyncio.timeout(5):
        return await log_in(wire, target or way(), credential, CALLER), store


async def failure(*script: bytes, target: Target | None = None, credential: Credential = CREDENTIAL) -> BackendFailure:
    with pytest.raises(BackendFailure) as raised:
        await converse(*script, target=target, credential=credential)
    return raised.value


async def outcome(script: Iterable[bytes], pieces: Pieces = whole) -> tuple[object, ...]:
    """What comes of a login: the leg's words, or of what kind the trouble is. One that waits in vain is dropped."""
    wire = ImapWire(asyncio.get_running_loop())
    store = MemoryStore(wire, script, pieces)
    login = asyncio.gather(log_in(wire, way(forward_client=True), CREDENTIAL, CALLER), return_exceptions=True)
    for _ in range(60):  # far more turns of the loop than a login has
        await asyncio.sleep(0)
        if login.done():
            break
    else:
        store.lose()
    match await login:
        case [ImapLeg() as leg]:
            return leg.reply, leg.capabilities, leg.untagged, leg.detach()[1]
        case [BackendFailure(kind=kind)]:
            return (kind,)
        case [BaseException() as trouble]:
            raise trouble
    raise AssertionError


async def test_an_initial_response_where_it_is_offered() -> None:
    leg, store = await converse(GREETING, YES)
    assert store.sent == [b"%t AUTHENTICATE PLAIN " + RESPONSE + b"\r\n"]
    assert leg.reply == b"OK [CAPABILITY IMAP4rev1 MOVE] Logged in"
    assert leg.capabilities == {"IMAP4REV1", "MOVE"}
    assert leg.untagged == ()
    assert leg.detach() == (store, b"")
    assert not store.reading


async def test_a_continuation_where_it_is_not() -> None:
    leg, store = await converse(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n", b"+ \r\n", YES)
    assert store.sent == [b"%t AUTHENTICATE PLAIN\r\n", RESPONSE + b"\r\n"]
    assert leg.reply == b"OK [CAPABILITY IMAP4rev1 MOVE] Logged in"


async def test_capabilities_are_asked_for_where_the_greeting_has_none() -> None:
    _, store = await converse(b"* OK ready\r\n", b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n%t OK done\r\n", YES)
    assert store.sent == [b"%t CAPABILITY\r\n", b"%t AUTHENTICATE PLAIN " + RESPONSE + b"\r\n"]


async def test_a_master_speaks_for_the_user() -> None:
    credential = Credential("ann@example.org", "gate", Secret(b"m"))
    _, store = await converse(GREETING, YES, target=MASTER, credential=credential)
    sent = store.sent[0].removeprefix(b"%t AUTHENTICATE PLAIN ")
    assert base64.b64decode(sent) == b"ann@example.org\0gate\0m"


async def test_the_store_is_told_whom_the_login_is_for() -> None:
    _, store = await converse(GREETING, b'* ID ("name" "x")\r\n%t OK done\r\n', YES, target=way(forward_client=True))
    assert store.sent[0] == (
        b'%t ID ("x-originating-ip" "203.0.113.7" "x-originating-port" "50111" "x-session-id" "mg-7f3a" '
        b'"x-proxy-ttl" "5")\r\n'
    )


async def test_a_store_that_wants_no_id_is_logged_in_to_all_the_same() -> None:
    leg, _ = await converse(GREETING, b"%t BAD what?\r\n", YES, target=way(forward_client=True))
    assert leg.reply.startswith(b"OK")
    unlisted = b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n"
    _, store = await converse(unlisted, YES, target=way(forward_client=True))
    assert store.sent == [b"%t AUTHENTICATE PLAIN " + RESPONSE + b"\r\n"]


DOVECOT = b'* ID ("name" "Dovecot")\r\n%t OK done\r\n'
FIRST = DOVECOT.replace(b"%t", b"%1")


async def dovecot() -> Target:
    """A store that has said what it is."""
    target = way(forward_client=True)
    await converse(GREETING, DOVECOT, YES, target=target)
    return target


async def test_dovecot_is_asked_in_one_write() -> None:
    target = await dovecot()
    for _ in range(2):
        leg, store = await converse(GREETING, FIRST + YES + b"* OK behind\r\n", target=target)
        assert [line.split()[:2] for line in store.sent] == [[b"%1", b"ID"], [b"%t", b"AUTHENTICATE"]]
        assert leg.reply == b"OK [CAPABILITY IMAP4rev1 MOVE] Logged in"
        assert leg.untagged == ()
        assert leg.detach()[1] == b"* OK behind\r\n"


@pytest.mark.parametrize(
    "answer", [b'* ID ("name" "Cyrus")\r\n%1 OK done\r\n', b"* ID NIL\r\n%1 OK\r\n", b"%1 BAD what?\r\n"]
)
async def test_a_store_that_is_dovecot_no_more_is_asked_one_by_one_again(answer: bytes) -> None:
    target = await dovecot()
    leg, _ = await converse(GREETING, answer + YES, target=target)
    assert leg.reply.startswith(b"OK")
    _, store = await converse(GREETING, b"* ID NIL\r\n%t OK\r\n", YES, target=target)
    assert [line.split()[:2] for line in store.sent] == [[b"%t", b"ID"], [b"%t", b"AUTHENTICATE"]]


async def test_a_credential_that_takes_two_lines_waits_for_the_answer_to_id() -> None:
    target = await dovecot()
    greeting = b"* OK [CAPABILITY IMAP4rev1 ID AUTH=PLAIN] ready\r\n"
    _, store = await converse(greeting, DOVECOT, b"+ \r\n", YES, target=target)
    assert len(store.sent) == 3


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(FIRST + b"%t NO [AUTHENTICATIONFAILED] no\r\n", FailureKind.REFUSED, id="no"),
        pytest.param(YES + FIRST, FailureKind.PROTOCOL, id="the second first"),
        pytest.param(b"+ more\r\n" + FIRST + YES, FailureKind.PROTOCOL, id="a question behind ID"),
        pytest.param(FIRST + b"+ more\r\n%t NO x\r\n", FailureKind.REFUSED, id="more about a failure"),
        pytest.param(FIRST + FIRST + YES, FailureKind.PROTOCOL, id="ID answered twice"),
        pytest.param(b"* BYE enough\r\n", FailureKind.TEMPORARY, id="BYE"),
        pytest.param(b"* x\r\n" * 65 + FIRST + YES, FailureKind.PROTOCOL, id="a flood before the first"),
        pytest.param(FIRST + b"* x\r\n" * 33 + YES, FailureKind.PROTOCOL, id="a flood before the second"),
    ],
)
async def test_what_can_go_wrong_in_one_write(answer: bytes, kind: FailureKind) -> None:
    assert (await failure(GREETING, answer, target=await dovecot())).kind is kind


async def test_two_answers_may_be_cut_at_every_octet() -> None:
    target, answers = await dovecot(), FIRST + YES + b"* OK behind\r\n"
    for at in range(1, len(answers) + 4):
        cut: Pieces = lambda data, at=at: [data[:at], data[at:]]  # type: ignore[misc]  # noqa: E731
        leg, store = await converse(GREETING, answers, target=target, pieces=cut)
        await store.silent()
        assert (leg.reply, leg.detach()[1]) == (b"OK [CAPABILITY IMAP4rev1 MOVE] Logged in", b"* OK behind\r\n")


async def test_the_login_command_carries_literals() -> None:
    credential = Credential("", 'änn "\\{5}', Secret('pä"ss \\'.encode()))
    go = b"+ go on\r\n"
    leg, store = await converse(b"* OK [CAPABILITY IMAP4rev1] ready\r\n", go, go, YES, credential=credential)
    assert store.sent == [b"%t LOGIN {10}\r\n", 'änn "\\{5} {8}\r\n'.encode(), 'pä"ss \\\r\n'.encode()]
    assert leg.reply.startswith(b"OK")


@pytest.mark.parametrize(
    ("capabilities", "credential"),
    [
        pytest.param(b"IMAP4rev1 LOGINDISABLED", CREDENTIAL, id="LOGINDISABLED"),
        pytest.param(b"IMAP4rev1 AUTH=GSSAPI", Credential("ann", "gate", Secret(b"m")), id="an authzid, no PLAIN"),
    ],
)
async def test_a_store_without_a_way_in(capabilities: bytes, credential: Credential) -> None:
    raised = await failure(b"* OK [CAPABILITY %s] ready\r\n" % capabilities, credential=credential)
    assert raised.kind is FailureKind.PROTOCOL
    assert "AUTH=PLAIN" in raised.text


# Capabilities after login, and what else belongs to the client.


async def test_a_capability_list_of_gmail_s_kind_goes_into_the_reply() -> None:
    leg, _ = await converse(GREETING, b"* CAPABILITY IMAP4rev1 X-GM-EXT-1\r\n%t OK ann authenticated (Success)\r\n")
    assert leg.reply == b"OK [CAPABILITY IMAP4rev1 X-GM-EXT-1] ann authenticated (Success)"
    assert leg.untagged == (b"* CAPABILITY IMAP4rev1 X-GM-EXT-1\r\n",)
    assert leg.capabilities == {"IMAP4REV1", "X-GM-EXT-1"}


async def test_a_list_that_the_store_did_not_give_is_asked_for() -> None:
    leg, store = await converse(
        GREETING, b"%t OK Logged in\r\n", b"* CAPABILITY IMAP4rev1 IDLE\r\n%t OK done\r\n* 3 EXISTS\r\n* par"
    )
    assert store.sent[-1] == b"%t CAPABILITY\r\n"
    assert leg.reply == b"OK [CAPABILITY IMAP4rev1 IDLE] Logged in"
    assert leg.detach() == (store, b"* 3 EXISTS\r\n* par")
    assert not store.reading


async def test_what_came_behind_the_ok_outlives_the_question_for_capabilities() -> None:
    leg, store = await converse(
        GREETING,
        b"%t OK Logged in\r\n* OK [ALERT] one * two\r\n* NO thr",
        b"ee\r\n* CAPABILITY IMAP4rev1\r\n%t OK [CAPABILITY IMAP4rev1 IDLE] done\r\n* 1 EX",
    )
    assert leg.detach() == (store, b"* OK [ALERT] one * two\r\n* NO three\r\n* 1 EX")


async def test_alerts_reach_the_client_and_gossip_does_not() -> None:
    leg, _ = await converse(
        GREETING,
        b"* OK [ALERT] Maintenance * tonight\r\n* OK still here\r\n* no [alert] Quota\r\n* BAD [ALERT] odd\r\n"
        b'* ID ("a" "b")\r\n* OK [REFERRAL imap://elsewhere/] go\r\n%t ok [capability IMAP4rev1] in\r\n',
    )
    assert leg.untagged == (b"* OK [ALERT] Maintenance * tonight\r\n", b"* no [alert] Quota\r\n")
    assert leg.reply == b"OK [CAPABILITY IMAP4rev1] in"


async def test_an_alert_in_the_place_of_the_list_becomes_a_line_of_its_own() -> None:
    leg, _ = await converse(GREETING, b"* CAPABILITY IMAP4rev1\r\n%t OK [ALERT] Change your password\r\n")
    assert leg.reply == b"OK [CAPABILITY IMAP4rev1] Change your password"
    assert leg.untagged[-1] == b"* OK [ALERT] Change your password\r\n"


@pytest.mark.parametrize(
    "behind", [b"* OK [ALERT] one\r\n* 3 EXISTS\r\n", b"* par", b"\r", b"\r\n\0 {99999999999}\r\n", b"x" * 100_000]
)
async def test_every_octet_behind_the_ok_is_the_client_s(behind: bytes) -> None:
    leg, store = await converse(GREETING, YES + behind)
    assert leg.detach() == (store, behind)


async def test_what_was_said_outlives_the_connection() -> None:
    leg, store = await converse(GREETING, YES + b"* BYE bye\r\n")
    store.lose()
    assert leg.detach() == (store, b"* BYE bye\r\n")
    assert store.is_closing()


async def test_a_connection_lost_behind_the_login_ends_the_question_for_capabilities() -> None:
    wire = ImapWire(asyncio.get_running_loop())
    store = MemoryStore(wire, [GREETING, b"%t OK in\r\n"])
    await wire.greeting()
    await wire.offer("AUTHENTICATE", "PLAIN", "x", continuations=(), secrets=(), lines=32)
    store.lose()
    wire.unpark()
    with pytest.raises(BackendFailure) as raised:
        await wire.ask("CAPABILITY")
    assert raised.value.kind is FailureKind.TEMPORARY


async def test_a_connection_lost_before_tls() -> None:
    wire = ImapWire(asyncio.get_running_loop())
    store = MemoryStore(wire, [GREETING, b"%t OK go\r\n"])
    await wire.greeting()
    await wire.ask("STARTTLS", park=True)
    store.lose()
    with pytest.raises(BackendFailure) as raised:
        await wire.start_tls(ssl.create_default_context(), "localhost")
    assert raised.value.kind is FailureKind.TLS


# What a NO means.


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"NO Authentication failed.", FailureKind.REFUSED),
        (b"no [authenticationfailed] wrong", FailureKind.REFUSED),
        (b"NO [ALERT] Invalid credentials (Failure)", FailureKind.REFUSED),
        (b"NO [UNAVAILABLE] Temporary authentication failure.", FailureKind.TEMPORARY),
        (b"NO [INUSE] locked", FailureKind.TEMPORARY),
        (b"NO [LIMIT] too many connections", FailureKind.TEMPORARY),
        (b"NO [SERVERBUG] oops", FailureKind.TEMPORARY),
        (b"NO [REFERRAL imap://elsewhere/] try there", FailureKind.TEMPORARY),
        (b"OK [REFERRAL imap://elsewhere/] try there", FailureKind.TEMPORARY),
        (b"BAD syntax", FailureKind.PROTOCOL),
    ],
)
async def test_what_an_answer_means(answer: bytes, kind: FailureKind) -> None:
    raised = await failure(GREETING, b"%t " + answer + b"\r\n")
    assert raised.kind is kind
    text = answer.rpartition(b"]")[2].strip().decode()
    assert "elsewhere" in raised.text or text in raised.text


async def test_a_no_before_the_credential_was_heard_says_nothing_about_it() -> None:
    raised = await failure(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] x\r\n", b"%t NO Unsupported mechanism\r\n")
    assert raised.kind is FailureKind.TEMPORARY


async def test_a_yes_before_the_credential_was_heard_is_no_login() -> None:
    for script in ([b"* OK [CAPABILITY AUTH=PLAIN] x\r\n", YES], [b"* OK [CAPABILITY X] x\r\n", b"+ go\r\n", YES]):
        raised = await failure(*script)
        assert raised.kind is FailureKind.PROTOCOL


async def test_a_mailbox_that_the_master_does_not_find() -> None:
    credential = Credential("ann@example.org", "gate", Secret(b"m"))
    no = b"%t NO [AUTHORIZATIONFAILED] Authorization failed\r\n"
    raised = await failure(GREETING, no, target=MASTER, credential=credential)
    assert raised.kind is FailureKind.REFUSED
    assert "mailbox not provisioned" in raised.text
    assert (await failure(GREETING, no)).kind is FailureKind.REFUSED


async def test_a_failed_exchange_gets_its_empty_line() -> None:
    wire = ImapWire(asyncio.get_running_loop())
    store = MemoryStore(wire, [GREETING, b"+ eyJzdGF0dXMiOiI0MDEifQ==\r\n", b"%t NO [AUTHENTICATIONFAILED] no\r\n"])
    with pytest.raises(BackendFailure) as raised:
        await log_in(wire, way(), CREDENTIAL, CALLER)
    assert raised.value.kind is FailureKind.REFUSED
    assert store.sent[-1] == b"\r\n"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([GREETING.replace(b"ID", b"UNAUTHENTICATE"), YES], id="listed before login"),
        pytest.param([GREETING, YES.replace(b"MOVE", b"unauthenticate")], id="after login"),
        pytest.param([GREETING, b"* CAPABILITY UNAUTHENTICATE\r\n" + YES], id="on the way"),
        pytest.param([GREETING, b"%t OK in\r\n", b"* CAPABILITY X UNAUTHENTICATE\r\n%t OK\r\n"], id="when asked"),
    ],
)
async def test_a_store_that_lets_users_log_in_afresh_is_unsafe(script: list[bytes]) -> None:
    raised = await failure(*script)
    assert raised.kind is FailureKind.UNSAFE
    assert "UNAUTHENTICATE" in raised.text


async def test_no_credential_goes_to_a_store_that_is_known_to_be_unsafe() -> None:
    wire = ImapWire(asyncio.get_running_loop())
    store = MemoryStore(wire, [GREETING.replace(b"ID", b"UNAUTHENTICATE"), YES])
    with pytest.raises(BackendFailure):
        await log_in(wire, way(), CREDENTIAL, CALLER)
    assert store.sent == []


async def test_a_store_without_capabilities_is_none() -> None:
    for answer in (b"%t OK done\r\n", b"%t NO no\r\n", b"* CAPABILITY IMAP4rev1\r\n%t BAD no\r\n"):
        raised = await failure(b"* OK ready\r\n", answer)
        assert raised.kind is FailureKind.PROTOCOL


@pytest.mark.parametrize("echo", [RESPONSE, RESPONSE[:24], b"secret", b"SECRET"])
@pytest.mark.parametrize("words", [b"%%t NO %s", b"%%t BAD unknown: %s", b"* BYE %s", b"X1 OK %s", b"%%t FINE %s"])
async def test_a_store_that_repeats_the_credential_is_not_quoted(words: bytes, echo: bytes) -> None:
    raised = await failure(GREETING, words.replace(b"%%", b"%").replace(b"%s", echo) + b"\r\n")
    assert "withheld" in raised.text
    assert echo.decode().lower() not in raised.text.lower()


# Cuts.

TRANSCRIPTS = {
    "initial response": [b"* OK [CAPABILITY SASL-IR AUTH=PLAIN] hi\r\n", YES + b"* OK [ALERT] hi\r\n* 1 EXI"],
    "continuation": [b"* OK [CAPABILITY AUTH=PLAIN] hi\r\n", b"+ \r\n", b"* CAPABILITY A B\r\n%t OK in\r\n* x"],
    "everything asked for": [
        b"* OK hi\r\n",
        b"* CAPABILITY AUTH=PLAIN ID\r\n%t OK done\r\n",
        b"* ID NIL\r\n%t OK done\r\n",
        b"+ \r\n",
        b"* NO [ALERT] full\r\n%t OK in\r\n* 1 EXISTS\r\n",
        b"* CAPABILITY A B\r\n* 2 EXISTS\r\n%t OK done\r\n* 3 EX",
    ],
    "a login command": [b"* OK [CAPABILITY X] hi\r\n", b"+ ok\r\n", b"+ ok\r\n", YES + b"* BYE soon\r\n"],
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
async def test_every_reply_may_be_cut_at_every_octet(name: str) -> None:
    script = TRANSCRIPTS[name]
    forward = way(forward_client=True)
    leg, store = await converse(*script, target=forward)
    await store.silent()
    expected = (leg.reply, leg.untagged, leg.capabilities, leg.detach()[1], store.sent)
    longest = max(len(said) for said in script) + 8
    cuts: list[Pieces] = [lambda data, at=at: [data[:at], data[at:]] for at in range(1, longest)]  # type: ignore[misc]
    for pieces in [*cuts, lambda data: [data[at : at + 1] for at in range(len(data))]]:
        leg, store = await converse(*script, target=forward, pieces=pieces)
        await store.silent()
        assert (leg.reply, leg.untagged, leg.capabilities, leg.detach()[1], store.sent) == expected


_WORDS = [GREETING, YES, b"+ \r\n", b"* OK [ALERT] x\r\n", b"* CAPABILITY AUTH=PLAIN\r\n", b"%t NO x\r\n", b"%t OK\r\n"]


@given(st.lists(st.lists(st.one_of(st.sampled_from(_WORDS), st.binary(max_size=30))).map(b"".join), max_size=6))
def test_no_store_makes_it_raise_anything_else_or_skips_the_credential(script: list[bytes]) -> None:
    async def run() -> None:
        wire = ImapWire(asyncio.get_running_loop())
        store = MemoryStore(wire, script)
        login = asyncio.gather(log_in(wire, way(forward_client=True), CREDENTIAL, CALLER), return_exceptions=True)
        for _ in range(50):
            await asyncio.sleep(0)
        wire.connection_lost(None)
        (outcome,) = await login
        if isinstance(outcome, ImapLeg):
            assert any(RESPONSE in line or line == b"secret\r\n" for line in store.sent)
        else:
            assert isinstance(outcome, BackendFailure)

    asyncio.run(run())
