"""The way of our own letters: to the submission store as master for the sender, or to a relay of the organisation.

It runs on smtplib in a thread, apart from the legs: no user waits for it. Every step has a deadline, the whole has one,
and whoever gives up cuts the socket under the thread.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import MailProtocol
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.login import Credential, master
from mailguard.backends.target import target
from mailguard.config import ConfigError, Login, Settings, TlsMode
from mailguard.config.connections import NotifyRelay
from mailguard.config.kinds import UNIX
from mailguard.config.secret_file import secret_in
from mailguard.net.tls import client_context

STEP_SECONDS = 15.0  # for one answer
WHOLE_SECONDS = 60.0  # for a letter; a peer that drips its answers gains nothing
_SAID = 200  # characters of an answer that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Where our letters are handed in, and as whom. `hostname` is ours, for the EHLO."""

    host: str  # name, IP address or unix:/path; a certificate must carry it
    port: int
    tls: TlsMode
    hostname: str
    sender: str
    context: ssl.SSLContext | None = None
    bind: str = ""
    credential: Credential | None = None

    def __str__(self) -> str:
        return f"letters by {self.host if self.host.startswith(UNIX) else f'{self.host}:{self.port}'}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a letter's recipients beyond those that were taken: refused for good, or to be tried again."""

    refused: Mapping[str, str] = field(default_factory=dict)
    later: Mapping[str, str] = field(default_factory=dict)


def post_of(settings: Settings) -> Post | None:
    """From [notify.relay], or else [backend.submission] with a master login; None where no letters are sent.

    Raises ConfigError for an unreadable secret or an odd sender, TlsError for an unreadable CA.
    """
    sender, relay, hostname = settings.notify.sender, settings.notify.relay, settings.server.hostname
    if not sender:
        return None
    if relay is not None:
        return Post(
            host=relay.host,
            port=relay.port,
            tls=relay.tls,
            hostname=hostname,
            sender=sender,
            context=None if relay.tls is TlsMode.NONE else client_context(relay.ca),
            credential=_of_relay(relay),
        )
    submission = settings.backend.get(MailProtocol.SUBMISSION)
    if submission is None or submission.login is not Login.MASTER:
        return None
    store = target(MailProtocol.SUBMISSION, submission, hostname=hostname)
    try:
        credential = master(store, AccountName(sender))
    except BackendFailure as failure:
        raise ConfigError("notify.from", f"is {failure}; write another address of the store") from None
    return Post(
        host=store.host,
        port=store.port,
        tls=store.tls,
        hostname=hostname,
        sender=sender,
        context=store.context,
        bind=store.bind,
        credential=credential,
    )


def _of_relay(relay: NotifyRelay) -> Credential | None:
    if relay.secret_file is None:
        return None
    secret = secret_in(relay.secret_file, "notify.relay.secret_file", "the password of notify.relay.user")
    return Credential("", relay.user, secret)


async def hand_in(post: Post, messages: Mapping[str, bytes]) -> Delivery:
    """Hand in a message for each recipient. Raises BackendFailure where none could even be offered."""
    return await _errand(post, messages)


async def rehearse(post: Post) -> None:
    """Connect, log in and leave. Raises BackendFailure."""
    await _errand(post, {})


async def _errand(post: Post, messages: Mapping[str, bytes]) -> Delivery:
    errand = _Errand(post)
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            return await asyncio.to_thread(errand.run, messages)
    except TimeoutError:
        raise BackendFailure(FailureKind.TEMPORARY, f"{post}: no answer in time") from None
    finally:
        errand.cut()


class _Errand:
    """One connection, used by one thread; `cut` may come from another."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._talk: _Talk | None = None
        self._cut = False

    def cut(self) -> None:
        """End whatever the thread is waiting for."""
        self._cut = True
        if self._talk is not None:
            self._talk.cut()

    def run(self, messages: Mapping[str, bytes]) -> Delivery:
        """Connect, log in, hand in, leave. Raises BackendFailure."""
        post = self._post
        try:
            self._talk = _Talk(post, _connected(post))
        except OSError as error:
            raise BackendFailure(FailureKind.UNREACHABLE, f"{post}: {error.strerror or error}") from None
        with contextlib.closing(self._talk) as talk:
            if self._cut:
                raise BackendFailure(FailureKind.TEMPORARY, f"{post}: given up")
            try:
                talk.begin()
                delivery = talk.give(messages)
                talk.leave()
            except BackendFailure as failure:
                raise BackendFailure(failure.kind, f"{post}: {failure.text}") from None
            except ssl.SSLCertVerificationError as error:
                text = f"{post}: its certificate is refused: {error.verify_message}"
                raise BackendFailure(FailureKind.TLS, text) from None
            except ssl.SSLError as error:
                raise BackendFailure(FailureKind.TLS, f"{post}: TLS failed: {error.reason or error}") from None
            except smtplib.SMTPException as error:
                text = f"{post}: it broke off ({type(error).__name__})"
                raise BackendFailure(FailureKind.PROTOCOL, text) from None
            except OSError as error:
                raise BackendFailure(FailureKind.TEMPORARY, f"{post}: {error.strerror or error}") from None
            return delivery


def _connected(post: Post) -> socket.socket:
    if post.host.startswith(UNIX):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(STEP_SECONDS)
        try:
            sock.connect(post.host.removeprefix(UNIX))
        except OSError:
            sock.close()
            raise
        return sock
    source = (post.bind, 0) if post.bind else None
    return socket.create_connection((post.host, post.port), STEP_SECONDS, source)


class _Talk:
    """The dialogue, on smtplib. Its socket is ours, so that TLS begins where we say and with whom we say."""

    def __init__(self, post: Post, sock: socket.socket) -> None:
        self._post = post
        self._smtp = smtplib.SMTP(local_hostname=post.hostname)
        self._smtp.sock = sock

    def close(self) -> None:
        """Close the connection, whatever is left of it."""
        self._smtp.close()

    def cut(self) -> None:
        """End both directions, from another thread."""
        if (sock := self._smtp.sock) is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own: that forgets the TLS first, and what the thread then wrote would leave in clear.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def begin(self) -> None:
        """Greeting, TLS, login."""
        if self._post.tls is TlsMode.IMPLICIT:
            self._secure()
        _demand(220, *self._smtp.getreply())
        _demand(250, *self._smtp.ehlo())
        if self._post.tls is TlsMode.STARTTLS:
            if not self._smtp.has_extn("starttls"):
                raise BackendFailure(FailureKind.TLS, "it offers no STARTTLS")
            _demand(220, *self._smtp.docmd("STARTTLS"))
            if self._more_came():
                raise BackendFailure(FailureKind.PROTOCOL, "it sent more in clear behind its STARTTLS")
            self._secure()
            _demand(250, *self._smtp.ehlo())
        if self._post.credential is not None:
            response = base64.b64encode(self._post.credential.plain().reveal()).decode()
            _demand(235, *self._smtp.docmd("AUTH", f"PLAIN {response}"))

    def _more_came(self) -> bool:
        """Are there bytes behind the answer just read? What is injected there would be taken for the store's."""
        sock, file = self._smtp.sock, self._smtp.file
        assert sock is not None
        assert file is not None
        sock.settimeout(0)
        try:
            return bool(file.peek())
        finally:
            sock.settimeout(STEP_SECONDS)

    def _secure(self) -> None:
        assert self._post.context is not None
        assert self._smtp.sock is not None
        secured = self._post.context.wrap_socket(
            self._smtp.sock, server_hostname=self._post.host, do_handshake_on_connect=False
        )
        self._smtp.sock, self._smtp.file = secured, None  # first: a handshake that hangs can be cut, too
        secured.do_handshake()

    def give(self, messages: Mapping[str, bytes]) -> Delivery:
        """A message to each. What fails at the first one is raised; what fails later leaves the rest for later."""
        refused: dict[str, str] = {}
        later: dict[str, str] = {}
        for answered, (recipient, message) in enumerate(messages.items()):
            try:
                code, text = self._one(recipient, message)
            except (BackendFailure, OSError, smtplib.SMTPException) as trouble:
                if not answered:
                    raise
                later |= dict.fromkeys(list(messages)[answered:], str(trouble))
                break
            if code // 100 != 2:
                (refused if code // 100 == 5 else later)[recipient] = _answer(code, text)
        return Delivery(refused, later)

    def _one(self, recipient: str, message: bytes) -> tuple[int, bytes]:
        """The answer to the recipient, where that is a no, or to the message."""
        _demand(250, *self._smtp.mail(self._post.sender))
        code, text = self._smtp.rcpt(recipient)
        if code // 100 != 2:
            _demand(250, *self._smtp.rset())
            return code, text
        return self._smtp.data(message)

    def leave(self) -> None:
        """Say goodbye; the letter is handed in already, whatever comes of that."""
        with contextlib.suppress(OSError, smtplib.SMTPException):
            self._smtp.docmd("QUIT")


def _demand(wanted: int, code: int, text: bytes) -> None:
    if code != wanted:
        kind = FailureKind.REFUSED if code // 100 == 5 else FailureKind.TEMPORARY
        raise BackendFailure(kind, f"it said {_answer(code, text)}")


def _answer(code: int, text: bytes) -> str:
    said = text.decode("ascii", "backslashreplace")
    return f"{code} " + "".join(c if c.isprintable() else " " for c in said)[:_SAID]
