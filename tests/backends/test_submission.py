"""The leg to a submission store."""

import asyncio
import logging
import tracemalloc

import pytest

from mailguard.backends.dial import open_leg
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.login import own
from mailguard.backends.probe import probe
from mailguard.backends.target import Caller, Target
from mailguard.config import TlsMode
from mailguard.secret import Secret
from tests.backends.conftest import ANN, CALLER, PASSWORD, Stores
from tests.support.hostile_store import HostileStore, Peer, Script, SubmissionStore

PATIENT = 60.0
AT_ONCE = 20.0
WRONG = Secret(b"wrong horse")
TLS = [TlsMode.IMPLICIT, TlsMode.STARTTLS]


async def refused_at_once(
    store: HostileStore, target: Target, announced: frozenset[str] = frozenset()
) -> BackendFailure:
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(BackendFailure) as raised:
        await open_leg(target, own(target, ANN, PASSWORD), CALLER, announced=announced, timeout=PATIENT)
    assert loop.time() - started < AT_ONCE
    assert await asyncio.to_thread(store.ended.wait, AT_ONCE), "the connection is still open"
    return raised.value


def credential_was_sent(store: HostileStore) -> bool:
    return any(line.startswith(b"AUTH") for line in store.heard)


async def test_the_reply_and_what_came_behind_it(stores: Stores) -> None:
    yes = "235-2.7.0 Welcome\r\n235 2.7.0 ok"
    with stores.submission(SubmissionStore(yes=yes, behind=b"421 4.3.2 bye\r\n25")) as (_, target):
        leg = await open_leg(target, own(target, ANN, PASSWORD), CALLER)
        transport, behind = leg.detach()
        transport.abort()
    assert leg.reply == b"235-2.7.0 Welcome\r\n235 2.7.0 ok\r\n"
    assert behind == b"421 4.3.2 bye\r\n25"
    assert leg.untagged == ()
    assert leg.capabilities == {"PIPELINING", "SIZE", "8BITMIME", "DSN", "CHUNKING", "AUTH"}


@pytest.mark.parametrize(
    ("helo", "sent"),
    [
        ("laptop.example", b"EHLO laptop.example"),
        ("[192.0.2.10]", b"EHLO [192.0.2.10]"),
        ("[IPv6:2001:db8::1]", b"EHLO [IPv6:2001:db8::1]"),
        ("my_laptop", b"EHLO my_laptop"),
        ("", b"EHLO mail.example.org"),
        ("two words", b"EHLO mail.example.org"),
        ("laptop\r\nRSET", b"EHLO mail.example.org"),
        ("laptop\n", b"EHLO mail.example.org"),
        ("läptop", b"EHLO mail.example.org"),
        ("\udcff", b"EHLO mail.example.org"),  # what was no UTF-8
        ("x" * 256, b"EHLO mail.example.org"),
    ],
)
async def test_the_client_s_own_ehlo_argument_is_passed_on_if_it_is_one(stores: Stores, helo: str, sent: bytes) -> None:
    with stores.submission(SubmissionStore()) as (store, target):
        caller = Caller(CALLER.origin, CALLER.session, helo)
        (await open_leg(target, own(target, ANN, PASSWORD), caller)).abort()
    assert store.heard[0] == sent


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(SubmissionStore(keywords=("XCLIENT NAME ADDR LOGIN", "AUTH PLAIN")), id="over TLS"),
        pytest.param(SubmissionStore(keywords=("xclient", "AUTH PLAIN")), id="lower case"),
        pytest.param(SubmissionStore(in_clear=("XCLIENT ADDR", "STARTTLS"), clear=True), id="in clear"),
    ],
)
async def test_a_store_that_trusts_our_address_is_unsafe(stores: Stores, script: SubmissionStore) -> None:
    """Behind it any user could write XCLIENT LOGIN=another through the relay."""
    with stores.submission(script, TlsMode.STARTTLS if script.clear else TlsMode.IMPLICIT) as (store, target):
        failure = await refused_at_once(store, target)
    assert failure.kind is FailureKind.UNSAFE
    assert "XCLIENT" in failure.text
    assert not credential_was_sent(store)


@pytest.mark.parametrize("tls", [TlsMode.NONE, TlsMode.IMPLICIT])
async def test_a_store_that_would_begin_tls_behind_the_login_is_unsafe(stores: Stores, tls: TlsMode) -> None:
    """Postfix then forgets the login and takes another, by a bare password, from whoever is behind the relay."""
    script = SubmissionStore(keywords=("PIPELINING", "StartTLS", "AUTH PLAIN"))
    with stores.submission(script, tls) as (store, target):
        failure = await refused_at_once(store, target)
        assert "STARTTLS" in (await probe(target)).dangers
    assert failure.kind is FailureKind.UNSAFE
    assert "STARTTLS" in failure.text
    assert not credential_was_sent(store)


@pytest.mark.parametrize(
    ("announced", "lost"),
    [
        ({"SMTPUTF8"}, "SMTPUTF8"),
        ({"DSN", "BINARYMIME", "SMTPUTF8"}, "BINARYMIME, SMTPUTF8"),
        ({"SIZE 52428801"}, "SIZE"),
        ({"SIZE"}, "SIZE"),
    ],
)
async def test_a_store_that_offers_less_than_the_client_was_told(
    stores: Stores, announced: set[str], lost: str
) -> None:
    with stores.submission(SubmissionStore()) as (store, target):
        failure = await refused_at_once(store, target, frozenset(announced))
    assert failure.kind is FailureKind.TEMPORARY
    assert failure.text.endswith(f"no longer offers {lost}")
    assert not credential_was_sent(store)


async def test_a_store_that_offers_all_of_it(stores: Stores) -> None:
    announced = frozenset({"PIPELINING", "SIZE 52428800", "DSN"})
    with stores.submission(SubmissionStore()) as (_, target):
        (await open_leg(target, own(target, ANN, PASSWORD), CALLER, announced=announced)).abort()


async def test_a_long_password_is_sent_behind_334(stores: Stores) -> None:
    with stores.submission(SubmissionStore(users={str(ANN): "x" * 2000})) as (store, target):
        (await open_leg(target, own(target, ANN, Secret(b"x" * 2000)), CALLER)).abort()
    assert b"AUTH PLAIN" in store.heard


def in_clear(peer: Peer) -> None:
    """Answer the ClientHello as if nothing had been agreed on."""
    peer.say(b"220 store\r\n")
    peer.line()
    peer.say(b"250-store\r\n250 STARTTLS\r\n")
    peer.line()
    peer.say(b"220 go\r\n")
    peer.octets(5)
    peer.say(b"250-store\r\n250 AUTH PLAIN\r\n")
    peer.wait_for_end()


INJECTED = b"250-store\r\n250 AUTH PLAIN\r\n"
NO_TLS: dict[str, tuple[Script, str]] = {
    "not offered": (SubmissionStore(clear=True, in_clear=("PIPELINING",)), "does not offer STARTTLS"),
    "refused": (SubmissionStore(clear=True, starttls="454 4.7.0 not now"), "STARTTLS refused: 454"),
    "injected lines": (SubmissionStore(clear=True, behind_starttls=INJECTED), "clear text"),
    "an injected octet": (SubmissionStore(clear=True, behind_starttls=b"2"), "clear text"),
    "clear text instead of TLS": (in_clear, "TLS failed"),
}


@pytest.mark.parametrize("name", NO_TLS)
async def test_without_tls_the_credential_stays_here(stores: Stores, name: str) -> None:
    script, text = NO_TLS[name]
    with stores.submission(script, TlsMode.STARTTLS) as (store, target):
        failure = await refused_at_once(store, target)
    assert failure.kind is FailureKind.TLS
    assert text in failure.text
    assert not credential_was_sent(store)


def says(*words: bytes, drop: bool = False) -> Script:
    def script(peer: Peer) -> None:
        peer.say(words[0])
        for word in words[1:]:
            peer.line()
            peer.say(word)
        if not drop:
            peer.wait_for_end()

    return script


OFFER = b"250-store\r\n250 AUTH PLAIN\r\n"
HOSTILE: dict[str, tuple[Script, FailureKind]] = {
    "turned away": (says(b"554 5.3.2 no\r\n"), FailureKind.UNREACHABLE),
    "an IMAP store": (says(b"* OK ready\r\n"), FailureKind.UNREACHABLE),
    "dropped at once": (says(b"", drop=True), FailureKind.UNREACHABLE),
    "dropped in the greeting": (says(b"220-st", drop=True), FailureKind.UNREACHABLE),
    "dropped at EHLO": (says(b"220 st\r\n", b"250-", drop=True), FailureKind.TEMPORARY),
    "dropped in AUTH": (says(b"220 st\r\n", OFFER, b"235", drop=True), FailureKind.TEMPORARY),
    "greeting and offer at once": (says(b"220 st\r\n" + OFFER), FailureKind.PROTOCOL),
    "bare LF": (says(b"220 st\r\n", OFFER, b"235 in\n"), FailureKind.PROTOCOL),
    "closing": (says(b"220 st\r\n", OFFER, b"421 4.3.2 bye\r\n"), FailureKind.TEMPORARY),
    "a temporary refusal": (says(b"220 st\r\n", OFFER, b"454 4.7.0 later\r\n"), FailureKind.TEMPORARY),
    "a refusal": (says(b"220 st\r\n", OFFER, b"535 5.7.8 no\r\n"), FailureKind.REFUSED),
    "endless lines": (says(b"220 st\r\n", b"250-X\r\n" * 1500), FailureKind.PROTOCOL),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_it_ends_at_once(stores: Stores, name: str) -> None:
    script, kind = HOSTILE[name]
    with stores.submission(script) as (store, target):
        failure = await refused_at_once(store, target)
    assert failure.kind is kind
    assert failure.text.startswith(f"submission store localhost:{target.port}: ")


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(says(b""), FailureKind.UNREACHABLE, id="no greeting"),
        pytest.param(says(b"220-st"), FailureKind.UNREACHABLE, id="half a greeting"),
        pytest.param(says(b"220 st\r\n"), FailureKind.TEMPORARY, id="no offer"),
        pytest.param(says(b"220 st\r\n", OFFER), FailureKind.TEMPORARY, id="no verdict"),
    ],
)
async def test_one_deadline_bounds_the_whole_login(stores: Stores, script: Script, kind: FailureKind) -> None:
    with stores.submission(script) as (store, target):
        with pytest.raises(BackendFailure) as raised:
            await open_leg(target, own(target, ANN, PASSWORD), CALLER, timeout=0.3)
        assert await asyncio.to_thread(store.ended.wait, AT_ONCE)
    assert raised.value.kind is kind
    assert "no answer in time" in raised.value.text


async def test_eight_megabytes_without_a_line_end_cost_nothing(stores: Stores) -> None:
    piece = b"x" * 65536

    def flood(peer: Peer) -> None:
        peer.say(b"220 ")
        for _ in range(128):
            peer.say(piece)
        peer.wait_for_end()

    with stores.submission(flood) as (store, target):
        tracemalloc.start()
        try:
            failure = await refused_at_once(store, target)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert failure.kind is FailureKind.UNREACHABLE
    assert peak < 2**20


@pytest.mark.parametrize("tls", TLS)
async def test_no_credential_reaches_a_log(stores: Stores, caplog: pytest.LogCaptureFixture, tls: TlsMode) -> None:
    caplog.set_level(logging.DEBUG)
    with stores.submission(SubmissionStore(clear=tls is TlsMode.STARTTLS), tls) as (store, target):
        (await open_leg(target, own(target, ANN, PASSWORD), CALLER)).abort()
        with pytest.raises(BackendFailure) as raised:
            await open_leg(target, own(target, ANN, WRONG), CALLER)
        logging.getLogger("test").warning("%r", raised.value, exc_info=raised.value)
    responses = [line.split()[-1].decode() for line in store.heard if line.startswith(b"AUTH")]
    assert len(responses) == 2
    for text in ("secret", WRONG.reveal().decode(), *responses):
        assert text not in caplog.text
