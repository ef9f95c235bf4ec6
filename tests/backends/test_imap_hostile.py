"""IMAP stores that lie, flood or fall silent: each ends at once, in bounded memory, with the connection cut."""

import asyncio
import logging
import tracemalloc
from collections.abc import Callable

import pytest

from mailguard.backends.dial import open_leg
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.login import own
from mailguard.backends.target import Target
from mailguard.config import TlsMode
from mailguard.secret import Secret
from tests.backends.conftest import ANN, CALLER, PASSWORD, Stores
from tests.support.hostile_store import HostileStore, ImapStore, Peer, Script

GREETING = b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n"
AT_ONCE = 20.0  # seconds, on a busy machine; the login's own deadline is three times as far
PATIENT = 60.0


def says(*words: bytes, then: Callable[[Peer], None] = Peer.wait_for_end) -> Script:
    """The first words unasked, the others one for each line that comes; `%t` becomes its tag."""

    def script(peer: Peer) -> None:
        peer.say(words[0])
        for word in words[1:]:
            peer.say(word.replace(b"%t", peer.line().partition(b" ")[0]))
        then(peer)

    return script


async def refused_at_once(store: HostileStore, target: Target, password: Secret = PASSWORD) -> BackendFailure:
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(BackendFailure) as raised:
        await open_leg(target, own(target, ANN, password), CALLER, timeout=PATIENT)
    assert loop.time() - started < AT_ONCE
    assert await asyncio.to_thread(store.ended.wait, AT_ONCE), "the connection is still open"
    assert "secret" not in raised.value.text
    return raised.value


HOSTILE = {
    # Greetings
    "bye": (says(b"* BYE overloaded\r\n"), FailureKind.UNREACHABLE, "BYE overloaded"),
    "bye with an OK in it": (says(b"* BYE TOKEN revoked\r\n"), FailureKind.UNREACHABLE, "BYE TOKEN revoked"),
    "preauth": (says(b"* PREAUTH welcome back\r\n"), FailureKind.UNREACHABLE, "PREAUTH"),
    "okay": (says(b"* OKAY\r\n"), FailureKind.UNREACHABLE, "OKAY"),
    "a tagged greeting": (says(b"a OK ready\r\n"), FailureKind.UNREACHABLE, "did not greet"),
    "another protocol": (says(b"220 mail ESMTP\r\n"), FailureKind.UNREACHABLE, "220 mail ESMTP"),
    "a greeting with a literal": (says(b"* OK {5}\r\nhello\r\n"), FailureKind.PROTOCOL, "literal"),
    "no greeting": (says(b"", then=Peer.drop), FailureKind.UNREACHABLE, "dropped"),
    # Answers
    "no list": (says(b"* OK hi\r\n", b"%t OK\r\n"), FailureKind.PROTOCOL, "no capability list"),
    "dropped": (says(GREETING, b"", then=Peer.drop), FailureKind.TEMPORARY, "dropped"),
    "bye in the middle": (says(GREETING, b"* BYE going down\r\n"), FailureKind.TEMPORARY, "going down"),
    "wrong tag": (says(GREETING, b"a1 OK Logged in\r\n"), FailureKind.PROTOCOL, "not asked"),
    "empty tag": (says(GREETING, b" OK Logged in\r\n"), FailureKind.PROTOCOL, "not asked"),
    "untagged yes": (says(GREETING, b"* OK Logged in\r\n", then=Peer.drop), FailureKind.TEMPORARY, "dropped"),
    "answered okay": (says(GREETING, b"%t OKAY\r\n"), FailureKind.PROTOCOL, "OKAY"),
    "tagged bye": (says(GREETING, b"%t BYE\r\n"), FailureKind.PROTOCOL, "no known answer"),
    "answer before the question": (says(GREETING + b"a OK\r\n"), FailureKind.PROTOCOL, "not asked"),
    "unexpected continuation": (says(b"* OK hi\r\n", b"+ more\r\n"), FailureKind.PROTOCOL, "asked for more"),
    "continuations without end": (says(GREETING, b"+ \r\n", b"+ \r\n"), FailureKind.PROTOCOL, "asked for more"),
    "unasked continuation": (says(GREETING + b"+ idling\r\n"), FailureKind.PROTOCOL, "asked for more"),
    "empty line": (says(GREETING, b"\r\n"), FailureKind.PROTOCOL, "not asked"),
    "bare LF": (says(GREETING, b"* OK a\n%t OK in\r\n"), FailureKind.PROTOCOL, "control character"),
    "NUL": (says(GREETING, b"* OK \0\r\n%t OK in\r\n"), FailureKind.PROTOCOL, "control character"),
    "huge literal": (says(GREETING, b"* 1 FETCH {99999999999}\r\n"), FailureKind.PROTOCOL, "literal"),
    "literal in the answer": (says(GREETING, b"%t OK {3+}\r\nabc\r\n"), FailureKind.PROTOCOL, "literal"),
    "1500 short lines": (says(GREETING, b"* OK\r\n" * 1500 + b"%t OK in\r\n"), FailureKind.PROTOCOL, "floods"),
    "1500 lines unasked": (says(b"* OK\r\n" * 1500), FailureKind.PROTOCOL, "floods"),
    "33 lines in a login": (says(GREETING, b"* OK\r\n" * 33 + b"%t OK in\r\n"), FailureKind.PROTOCOL, "floods"),
    "65 lines in an answer": (says(b"* OK hi\r\n", b"* OK\r\n" * 65 + b"%t OK\r\n"), FailureKind.PROTOCOL, "floods"),
    "overlong line": (says(GREETING, b"* OK " + b"x" * 8186 + b"\r\n"), FailureKind.PROTOCOL, "overlong"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_it_ends_at_once(stores: Stores, name: str) -> None:
    script, kind, text = HOSTILE[name]
    with stores.imap(script) as (store, target):
        failure = await refused_at_once(store, target)
    assert failure.kind is kind
    assert text in failure.text
    assert failure.text.startswith(f"imap store localhost:{target.port}: ")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([GREETING, b"%t ok [capability IMAP4rev1] in\r\n"], id="lower case"),
        pytest.param([GREETING, b"* OK\r\n" * 31 + b"* CAPABILITY X\r\n%t OK in\r\n"], id="32 lines in a login"),
        pytest.param([GREETING, b"* OK " + b"x" * 8185 + b"\r\n* CAPABILITY X\r\n%t OK in\r\n"], id="a long line"),
    ],
)
async def test_what_is_odd_but_allowed(stores: Stores, words: list[bytes]) -> None:
    with stores.imap(says(*words)) as (_, target):
        leg = await open_leg(target, own(target, ANN, PASSWORD), CALLER, timeout=PATIENT)
        leg.abort()
    assert leg.reply.endswith(b" in")


@pytest.mark.parametrize("before", [b"", b"* OK "])
async def test_eight_megabytes_without_a_line_end_cost_nothing(stores: Stores, before: bytes) -> None:
    piece = b"x" * 65536

    def flood(peer: Peer) -> None:
        peer.say(GREETING)
        peer.line()
        peer.say(before)
        for _ in range(128):
            peer.say(piece)
        peer.wait_for_end()

    with stores.imap(flood) as (store, target):
        credential = own(target, ANN, PASSWORD)
        tracemalloc.start()
        try:
            with pytest.raises(BackendFailure) as raised:
                await open_leg(target, credential, CALLER, timeout=PATIENT)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert await asyncio.to_thread(store.ended.wait, AT_ONCE)
    assert raised.value.kind is FailureKind.PROTOCOL
    assert peak < 2**20


async def test_a_flood_behind_the_login_is_left_in_the_network(stores: Stores) -> None:
    """Once it is parked the wire reads nothing: what waits for the relay is bounded."""
    sent = 0
    piece = b"* OK flood\r\n" * 5000

    def flood(peer: Peer) -> None:
        nonlocal sent
        says(GREETING, b"%t OK [CAPABILITY X] in\r\n", then=lambda _: None)(peer)
        while sent < 2**26 and peer.say(piece):
            sent += len(piece)

    with stores.imap(flood, tls=TlsMode.NONE) as (_, target):
        leg = await open_leg(target, own(target, ANN, PASSWORD), CALLER, timeout=PATIENT)
        before = -1
        while before != sent or not sent:  # until the store can send no more
            before = sent
            await asyncio.sleep(0.1)
        transport, behind = leg.detach()
        transport.abort()
    assert 0 < sent < 2**26
    assert len(behind) <= 2**18 + 2**16
    assert behind == (piece * (len(behind) // len(piece) + 1))[: len(behind)]


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(Peer.wait_for_end, FailureKind.UNREACHABLE, id="no greeting"),
        pytest.param(says(b"* OK"), FailureKind.UNREACHABLE, id="half a greeting"),
        pytest.param(says(GREETING), FailureKind.TEMPORARY, id="no answer"),
        pytest.param(says(GREETING, b"* OK still thinking\r\n"), FailureKind.TEMPORARY, id="half an answer"),
    ],
)
async def test_one_deadline_bounds_the_whole_login(stores: Stores, script: Script, kind: FailureKind) -> None:
    with stores.imap(script) as (store, target):
        with pytest.raises(BackendFailure) as raised:
            await open_leg(target, own(target, ANN, PASSWORD), CALLER, timeout=0.3)
        assert await asyncio.to_thread(store.ended.wait, AT_ONCE)
    assert raised.value.kind is kind
    assert "no answer in time" in raised.value.text


async def test_a_cancelled_login_leaves_no_connection(stores: Stores) -> None:
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()

    def silent(peer: Peer) -> None:
        peer.say(GREETING)
        peer.line()
        loop.call_soon_threadsafe(reached.set)
        peer.wait_for_end()

    with stores.imap(silent) as (store, target):
        async with asyncio.TaskGroup() as group:
            login = group.create_task(open_leg(target, own(target, ANN, PASSWORD), CALLER, timeout=PATIENT))
            await reached.wait()
            login.cancel()
        assert await asyncio.to_thread(store.ended.wait, AT_ONCE)


# STARTTLS.

LISTED = "IMAP4rev1 STARTTLS SASL-IR AUTH=PLAIN"


async def test_starttls_forgets_what_was_said_in_clear(stores: Stores) -> None:
    script = ImapStore(capabilities=LISTED, greeting="* OK [CAPABILITY STARTTLS LOGINDISABLED UNAUTHENTICATE] hi")
    with stores.imap(script, tls=TlsMode.STARTTLS) as (store, target):
        leg = await open_leg(target, own(target, ANN, PASSWORD), CALLER, timeout=PATIENT)
        leg.abort()
    assert [line.split()[1] for line in store.heard] == [b"STARTTLS", b"CAPABILITY", b"AUTHENTICATE"]


def in_clear(peer: Peer) -> None:
    """Wait for the ClientHello and answer it as if nothing had been agreed on."""
    peer.octets(5)
    peer.say(INJECTED)
    peer.wait_for_end()


INJECTED = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"
NO_TLS: dict[str, tuple[Script, str]] = {
    "not offered": (ImapStore(), "does not offer STARTTLS"),
    "refused": (ImapStore(capabilities=LISTED, starttls="%t NO not now"), "STARTTLS refused: not now"),
    "injected lines": (ImapStore(capabilities=LISTED, behind_starttls=INJECTED), "clear text"),
    "an injected octet": (ImapStore(capabilities=LISTED, behind_starttls=b"*"), "clear text"),
    "preauth instead of it": (says(b"* PREAUTH in already\r\n"), "did not greet"),
    "clear text instead of TLS": (
        says(b"* OK [CAPABILITY STARTTLS] hi\r\n", b"%t OK go\r\n", then=in_clear),
        "TLS failed",
    ),
    "dropped in the handshake": (
        says(b"* OK [CAPABILITY STARTTLS] hi\r\n", b"%t OK go\r\n", then=Peer.drop),
        "",
    ),
}


@pytest.mark.parametrize("name", NO_TLS)
async def test_without_tls_the_credential_stays_here(stores: Stores, name: str) -> None:
    script, text = NO_TLS[name]
    with stores.imap(script, tls=TlsMode.STARTTLS) as (store, target):
        failure = await refused_at_once(store, target)
    assert text in failure.text
    assert failure.kind is not FailureKind.REFUSED
    assert not any(b"AUTHENTICATE" in line or b"LOGIN" in line for line in store.heard)


# Logs.


@pytest.mark.parametrize("password", [b"secret", b'pa"ss\\word', b"wrong horse"])
@pytest.mark.parametrize("capabilities", ["IMAP4rev1 AUTH=PLAIN", "IMAP4rev1 SASL-IR AUTH=PLAIN", "IMAP4rev1"])
async def test_no_credential_reaches_a_log(
    stores: Stores, caplog: pytest.LogCaptureFixture, password: bytes, capabilities: str
) -> None:
    for name in ("", "aioimaplib", "aioimaplib.aioimaplib", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    with stores.imap(ImapStore(capabilities=capabilities)) as (store, target):
        try:
            credential = own(target, ANN, Secret(password))
            (await open_leg(target, credential, CALLER, timeout=PATIENT)).abort()
        except BackendFailure as failure:
            logging.getLogger("test").warning("%r", failure, exc_info=failure)
        sent = [line.rpartition(b" ")[2].decode() for line in store.heard if b"CAPABILITY" not in line]
    assert sent
    for text in (password.decode(), *(word for word in sent if len(word) > 4 and word != str(ANN))):
        assert text not in caplog.text
    assert "aioimaplib.aioimaplib" not in [record.name for record in caplog.records]
