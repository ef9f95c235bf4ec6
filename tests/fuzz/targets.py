"""What is fuzzed: every reader of bytes that strangers send. Each target takes any bytes, and raises if it is wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from xml.etree import ElementTree

from mailguard.auth import aliases, credential, otpauth
from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import LoginAttempt
from mailguard.auth.names import NameRefused, canonical
from mailguard.config.choices import ProtocolName, TlsMode
from mailguard.protocols import sasl
from mailguard.protocols.server.id_tap import IdTap
from mailguard.protocols.server.imap import INPUT_MAX
from mailguard.secret import Secret
from mailguard.web.discovery.autodiscover import answer
from mailguard.web.discovery.offer import Offer, Server
from mailguard.web.discovery.pox import Unreadable
from mailguard.web.discovery.pox import read as read_question
from tests.backends.test_imap_login import outcome
from tests.protocols.client.test_submission import converse
from tests.protocols.server.test_imap_properties import heard
from tests.protocols.test_lines import harvest
from tests.proxy.test_smtp_lines import read_all
from tests.support.transcripts import cut

OFFER = Offer((Server(ProtocolName.IMAP, "mail.example.org", 993, TlsMode.IMPLICIT),), ("example.org",), "", "")


def imap(data: bytes) -> None:
    """Any cut gives the same events."""
    step, flags, said = data[:1] or b"a", data[1:2] or b"a", data[2:INPUT_MAX]
    tls, admit_at = bool(flags[0] & 1), flags[0] >> 5
    whole = heard(said, INPUT_MAX, tls=tls, admit_at=admit_at)
    assert heard(said, step[0] or 1, tls=tls, admit_at=admit_at) == whole


def sasl_exchange(data: bytes) -> None:
    """Every line is answered by a step, and a credential is never an empty one."""
    for mechanism in (b"PLAIN", b"LOGIN"):
        initial, *lines = data.split(b"\n")
        exchange = sasl.exchange(mechanism)
        assert exchange is not None
        step = exchange.begin(initial or None)
        for line in lines:
            if not isinstance(step, sasl.Challenge):
                break
            step = exchange.answer(line)
        assert isinstance(step, sasl.Challenge | sasl.Rejected | LoginAttempt)
        if isinstance(step, LoginAttempt):
            assert step.username
            assert step.secret


def lines(data: bytes) -> None:
    """Any cut gives the same lines."""
    step = (data[:1] or b"a")[0] or 1
    assert harvest(list(cut(data[1:], step))) == harvest([data[1:]])


def id_tap(data: bytes) -> None:
    """Any cut gives the same name."""
    step, said = (data[:1] or b"a")[0] or 1, data[1:]
    taps = IdTap(), IdTap()
    for tap, size in zip(taps, (step, len(said) or 1), strict=True):
        any(tap.feed(piece) for piece in cut(said, size))
    assert taps[0].client == taps[1].client


def smtp_lines(data: bytes) -> None:
    """Any cut reads the same, commands and answers to challenges."""
    said = data[1:] + b"\r\n"
    places = [len(said) * (data[:1] or b"a")[0] // 256]
    for responses in (False, True):
        assert read_all(said, places, responses=responses) == read_all(said, [], responses=responses)


def submission_client(data: bytes) -> None:
    """No store brings it down."""
    starttls, said = bool((data[:1] or b"a")[0] & 1), data[1:]
    converse(said.split(b"\0"), starttls=starttls)


def imap_client(data: bytes) -> None:
    """No store brings it down, and any cut of its words comes to the same."""
    step, said = (data[:1] or b"a")[0] or 1, data[1:].split(b"\0")
    whole = asyncio.run(outcome(said))
    assert asyncio.run(outcome(said, lambda words: list(cut(words, step)))) == whole


def otpauth_link(data: bytes) -> None:
    """A link is read or refused."""
    for typed in (data, b"otpauth://totp/" + data):
        with contextlib.suppress(otpauth.LinkRefused):
            otpauth.read(Secret(typed))


def alias_file(data: bytes) -> None:
    """A file is read or refused, and what it resolves to has one form."""

    def one_form(typed: str) -> AccountName:
        return canonical(typed, "example.org")

    with contextlib.suppress(aliases.AliasRefused):
        for name in aliases.read(data.decode("utf-8", "replace"), one_form).names.values():
            assert one_form(name) == name


def login_name(data: bytes) -> None:
    """The one form of a name is its own form."""
    with contextlib.suppress(NameRefused):
        name = canonical(data.decode("utf-8", "replace"), "example.org")
        assert canonical(name, "") == name


def password_field(data: bytes) -> None:
    """What is read loses nothing, and read again is the same."""
    offered = credential.read(Secret(data))
    assert credential.read(offered.string) == offered
    for digits in (6, 8):
        split = offered.split(digits)
        assert split is None or split[0].reveal() + split[1].encode() == offered.string.reveal()


def autodiscover(data: bytes) -> None:
    """A posted document is read or refused, and what is answered is a document."""
    with contextlib.suppress(Unreadable):
        document = answer(OFFER, read_question(data), datetime.now(UTC))
        assert ElementTree.fromstring(document).tag.endswith("Autodiscover")


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        imap,
        sasl_exchange,
        lines,
        id_tap,
        smtp_lines,
        submission_client,
        imap_client,
        otpauth_link,
        alias_file,
        login_name,
        password_field,
        autodiscover,
    )
}
