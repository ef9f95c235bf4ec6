"""The embedded mail store and its submission service, by Python's own clients."""

import asyncio
import imaplib
import smtplib
import ssl
from collections.abc import AsyncIterator
from contextlib import closing
from email.message import EmailMessage

import pytest

from mailguard.demo.letters import letters
from mailguard.demo.sink import Sink
from mailguard.demo.store import MailStore, User
from mailguard.secret import Secret
from tests.support.certs import Authority, Issued

ANN = User("ann@demo.example", Secret(b"maple-otter"))
BEN = User("ben@demo.example", Secret(b"copper-tide"))
MASTER = User("guard", Secret(b"opens-everything"))


@pytest.fixture
def server_context(localhost: Issued) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(localhost.certificate, localhost.key)
    return context


@pytest.fixture
def client_context(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.ca)


@pytest.fixture
async def store(server_context: ssl.SSLContext) -> AsyncIterator[MailStore]:
    store = MailStore([ANN, BEN], MASTER, server_context)
    await store.start()
    yield store
    await store.stop()


@pytest.fixture
async def sink(store: MailStore, server_context: ssl.SSLContext) -> AsyncIterator[Sink]:
    sink = Sink(store, server_context)
    await sink.start()
    yield sink
    await sink.stop()


def plain(authzid: str, user: User) -> bytes:
    return b"\0".join([authzid.encode(), user.name.encode(), user.password.reveal()])


def imap_login(port: int, context: ssl.SSLContext, response: bytes) -> imaplib.IMAP4_SSL:
    imap = imaplib.IMAP4_SSL("localhost", port, ssl_context=context, timeout=10)
    try:
        imap.authenticate("PLAIN", lambda _: response)
    except Exception:
        imap.shutdown()
        raise
    return imap


def subjects(imap: imaplib.IMAP4_SSL) -> list[str]:
    with closing(imap):
        imap.select()
        _, found = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    imap.logout()
    return [line[1].decode().strip().removeprefix("Subject: ") for line in found if isinstance(line, tuple)]


async def test_a_user_logs_in_with_the_own_password_at_the_password_door(
    store: MailStore, client_context: ssl.SSLContext
) -> None:
    await store.deliver(ANN.name, b"Subject: hello\r\n\r\n")
    imap = await asyncio.to_thread(imap_login, store.password_port, client_context, plain("", ANN))
    assert await asyncio.to_thread(subjects, imap) == ["hello"]


async def test_the_master_identity_logs_in_for_a_user_at_the_relay_door(
    store: MailStore, client_context: ssl.SSLContext
) -> None:
    await store.deliver(BEN.name, b"Subject: to ben\r\n\r\n")
    imap = await asyncio.to_thread(imap_login, store.relay_port, client_context, plain(BEN.name, MASTER))
    assert await asyncio.to_thread(subjects, imap) == ["to ben"]


@pytest.mark.parametrize(
    ("door", "authzid", "user", "code"),
    [
        pytest.param("relay_port", "", ANN, "AUTHENTICATIONFAILED", id="a user's password at the relay door"),
        pytest.param("relay_port", ANN.name, BEN, "AUTHENTICATIONFAILED", id="one user for another"),
        pytest.param(
            "relay_port", ANN.name, User("guard", Secret(b"wrong")), "AUTHENTICATIONFAILED", id="a wrong master secret"
        ),
        pytest.param("relay_port", "eve@demo.example", MASTER, "NONEXISTENT", id="for a user who does not exist"),
        pytest.param(
            "password_port", ANN.name, MASTER, "AUTHENTICATIONFAILED", id="the master identity at the password door"
        ),
        pytest.param(
            "password_port", "", User(ANN.name, Secret("mäple".encode())), "AUTHENTICATIONFAILED", id="a wrong password"
        ),
        pytest.param("password_port", ANN.name, BEN, "AUTHORIZATIONFAILED", id="one user for another, own password"),
    ],
)
async def test_each_door_is_shut_to_the_other_credential(
    store: MailStore, client_context: ssl.SSLContext, *, door: str, authzid: str, user: User, code: str
) -> None:
    with pytest.raises(imaplib.IMAP4.error, match=code):
        await asyncio.to_thread(imap_login, getattr(store, door), client_context, plain(authzid, user))


async def test_the_store_offers_what_the_guard_demands_and_nothing_that_it_refuses(
    store: MailStore, client_context: ssl.SSLContext
) -> None:
    def ask() -> tuple[set[str], set[str], object]:
        with imaplib.IMAP4_SSL("localhost", store.relay_port, ssl_context=client_context, timeout=10) as imap:
            before = set(imap.capabilities)
            named = imap.xatom("ID", '("x-originating-ip" "192.0.2.1")')
            imap.authenticate("PLAIN", lambda _: plain(ANN.name, MASTER))
            _, after = imap.capability()
            return before, set(after[0].decode().split()), named

    before, after, named = await asyncio.to_thread(ask)
    assert {"IMAP4REV1", "ID", "AUTH=PLAIN"} <= before
    assert "IDLE" in after
    assert not {"UNAUTHENTICATE", "STARTTLS", "LOGINDISABLED"} & (before | after)
    assert isinstance(named, tuple)
    assert named[0] == "OK"


async def test_the_letters_of_the_demo_are_read_back_byte_for_byte(
    store: MailStore, client_context: ssl.SSLContext
) -> None:
    written = letters(ANN.name)
    for letter in written:
        await store.deliver(ANN.name, letter)

    def fetch() -> list[bytes]:
        with imap_login(store.password_port, client_context, plain("", ANN)) as imap:
            imap.select()
            _, found = imap.fetch("1:*", "(RFC822)")
            return [part[1] for part in found if isinstance(part, tuple)]

    assert await asyncio.to_thread(fetch) == written


def submission(port: int, context: ssl.SSLContext, response: str) -> smtplib.SMTP:
    smtp = smtplib.SMTP("localhost", port, timeout=10)
    try:
        smtp.starttls(context=context)
        smtp.ehlo()
        smtp.auth("PLAIN", lambda challenge=None: response)
    except Exception:
        smtp.close()
        raise
    return smtp


async def test_a_letter_sent_to_the_sink_lies_in_the_mailbox(
    store: MailStore, sink: Sink, client_context: ssl.SSLContext
) -> None:
    letter = EmailMessage()
    letter["Subject"] = "through the sink"
    letter["From"], letter["To"] = ANN.name, BEN.name

    def send() -> None:
        with submission(sink.port, client_context, plain(ANN.name, MASTER).decode()) as smtp:
            assert smtp.send_message(letter) == {}

    await asyncio.to_thread(send)
    imap = await asyncio.to_thread(imap_login, store.password_port, client_context, plain("", BEN))
    assert await asyncio.to_thread(subjects, imap) == ["through the sink"]


@pytest.mark.parametrize(
    ("authzid", "user"),
    [
        pytest.param("", ANN, id="a user's password"),
        pytest.param(ANN.name, User("guard", Secret(b"wrong")), id="a wrong master secret"),
        pytest.param("eve@demo.example", MASTER, id="for a user who does not exist"),
        pytest.param("", MASTER, id="the master identity for itself"),
    ],
)
async def test_the_sink_takes_the_master_identity_for_a_user_alone(
    sink: Sink, client_context: ssl.SSLContext, authzid: str, user: User
) -> None:
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        await asyncio.to_thread(submission, sink.port, client_context, plain(authzid, user).decode())
    assert refused.value.smtp_code == 535


@pytest.mark.parametrize(
    ("sender", "recipient", "code"),
    [
        pytest.param("ceo@demo.example", ANN.name, 553, id="another sender"),
        pytest.param(ANN.name, "somebody@example.net", 550, id="out into the world"),
    ],
)
async def test_the_sink_sends_nothing_out_and_forges_nobody(
    sink: Sink, client_context: ssl.SSLContext, sender: str, recipient: str, code: int
) -> None:
    def send() -> set[int]:
        with submission(sink.port, client_context, plain(ANN.name, MASTER).decode()) as smtp:
            return {smtp.mail(sender)[0], smtp.rcpt(recipient)[0]}

    assert code in await asyncio.to_thread(send)


async def test_the_sink_offers_neither_xclient_nor_login_before_tls(sink: Sink, client_context: ssl.SSLContext) -> None:
    def ask() -> tuple[dict[str, str], int, dict[str, str]]:
        with smtplib.SMTP("localhost", sink.port, timeout=10) as smtp:
            smtp.ehlo()
            before = dict(smtp.esmtp_features)
            early, _ = smtp.mail(ANN.name)
            smtp.starttls(context=client_context)
            smtp.ehlo()
            return before, early, dict(smtp.esmtp_features)

    before, early, after = await asyncio.to_thread(ask)
    assert "starttls" in before
    assert "auth" not in before
    assert early == 530
    assert after["auth"].split() == ["PLAIN"]
    assert not {"xclient", "xforward"} & (before.keys() | after.keys())


async def test_stopping_drops_whoever_is_connected(store: MailStore, client_context: ssl.SSLContext) -> None:
    imap = await asyncio.to_thread(imap_login, store.password_port, client_context, plain("", ANN))
    await store.stop()
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        await asyncio.to_thread(imap.noop)
    imap.shutdown()
