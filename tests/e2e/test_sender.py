"""Sending through the guard: Postfix still sees who logged in, and clients use what it really offers."""

from __future__ import annotations

import smtplib
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import clients
from tests.e2e.clients import Door, Login
from tests.e2e.guard import Guard, Person, serving
from tests.e2e.letters import Letter, as_sent, compose, fetch
from tests.e2e.stack import Stack

OURS = {"auth", "starttls"}  # what the guard speaks itself
KEPT_BACK = {"vrfy", "etrn", "xclient", "xforward"}


@pytest.fixture(params=["own", "master"])
def guard(request: pytest.FixtureRequest, guard_own: Guard, guard_master: Guard) -> Guard:
    """The guard with either login."""
    return guard_own if request.param == "own" else guard_master


@pytest.fixture
def person(guard: Guard) -> Person:
    """A sender."""
    return guard.enrol()


@pytest.fixture
def smtp(guard: Guard, person: Person) -> Iterator[smtplib.SMTP]:
    """The sender's session."""
    with clients.smtp(guard.submission(), person.login()) as client:
        yield client


def _arrived(guard: Guard, person: Person, letter: Letter) -> bytes:
    with clients.imap(guard.imap(), person.login()) as imap:
        return fetch(imap, letter)


def test_nobody_sends_in_another_name(guard: Guard, person: Person, smtp: smtplib.SMTP) -> None:
    victim = guard.stack.user().name
    for sender in (victim, f"<{victim.upper()}>", "ceo@elsewhere.example"):
        assert smtp.mail(sender)[0] == 250
        code, text = smtp.rcpt(person.user.name)
        assert (code, b"not owned by user" in text) == (553, True), text
        smtp.rset()
    assert smtp.mail(person.user.name)[0] == 250
    assert smtp.rcpt(victim)[0] == 250


def test_the_list_is_what_postfix_offers_less_what_is_kept_back(guard: Guard, smtp: smtplib.SMTP) -> None:
    port = tomllib.loads(guard.configuration.read_text())["backend"]["submission"]["port"]
    with clients.smtp_connection(Door(port, "implicit", guard.stack.ca)) as direct:
        direct.ehlo()
        offered = {name: direct.esmtp_features[name] for name in direct.esmtp_features.keys() - OURS - KEPT_BACK}
    for tls in ("implicit", "starttls"):
        with clients.smtp_connection(guard.submission(tls)) as before:
            before.ehlo()
            told = dict(before.esmtp_features)
            assert told.pop("auth").split() == ["PLAIN", "LOGIN"]
            assert told == offered
    assert {"size", "8bitmime", "smtputf8", "dsn", "chunking", "pipelining"} <= offered.keys()
    smtp.ehlo()
    assert told.items() <= smtp.esmtp_features.items(), "behind the login Postfix offers less than was promised"


def test_a_receipt_is_sent_for_a_letter_that_asks_for_one(guard: Guard, person: Person, smtp: smtplib.SMTP) -> None:
    mark, letter = guard.stack.logs["own"].mark(), compose(person.user.name, guard.stack.user().name)
    assert smtp.mail(letter.sender, ["RET=HDRS", f"ENVID=QQ{letter.token}"])[0] == 250
    assert smtp.rcpt(letter.recipient, ["NOTIFY=SUCCESS", f"ORCPT=rfc822;{letter.recipient}"])[0] == 250
    assert smtp.data(letter.content)[0] == 250
    guard.stack.delivered(person.user.name, mark)
    with clients.imap(guard.imap(), person.login()) as imap:
        imap.select()
        receipt = imap.fetch("1", "(BODY.PEEK[])")[1][0]
    assert isinstance(receipt, tuple)
    assert f"Original-Envelope-Id: QQ{letter.token}".encode() in receipt[1]
    assert b"Action: relayed" in receipt[1]  # the LMTP server is told no NOTIFY


def test_addresses_beyond_ascii(guard: Guard, person: Person, smtp: smtplib.SMTP) -> None:
    mark, recipient = guard.stack.logs["postfix"].mark(), "jörg@elsewhere.example"
    assert smtp.mail(person.user.name, ["SMTPUTF8", "BODY=8BITMIME"])[0] == 250
    assert smtp.rcpt(recipient)[0] == 250
    text = f"From: {person.user.name}\r\nTo: {recipient}\r\nSubject: Grüße\r\n\r\nÜber\r\n"
    assert smtp.data(text.encode())[0] == 250
    guard.stack.logs["postfix"].wait_for(rf"to=<{recipient}>.*status=sent", mark)


def test_a_letter_in_chunks(guard: Guard, person: Person, smtp: smtplib.SMTP) -> None:
    letter = compose(person.user.name, person.user.name, 100_000)
    cut = 12_345
    assert smtp.mail(letter.sender)[0] == 250
    assert smtp.rcpt(letter.recipient)[0] == 250
    for chunk, last in ((letter.content[:cut], b""), (letter.content[cut:], b" LAST")):
        smtp.send(b"BDAT %d%b\r\n" % (len(chunk), last) + chunk)
        assert smtp.getreply()[0] == 250
    assert as_sent(_arrived(guard, person, letter)) == letter.content


def test_a_store_that_would_take_xclient_from_us_is_not_entered(stack: Stack, tmp_path: Path) -> None:
    xclient = {"backend": {"submission": {"port": stack.submission_xclient_port}}, "throttle": {"failure_delay": "0s"}}
    with serving(stack, tmp_path, "own", xclient) as guard:
        person = guard.enrol()
        with clients.smtp_connection(guard.submission()) as smtp:
            smtp.ehlo()
            assert "xclient" not in smtp.esmtp_features
            with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                smtp.login(*_typed(person.login()))
        assert refused.value.smtp_code == 454
        with clients.imap(guard.imap(), person.login()) as imap:  # the same code: nothing was used up
            assert imap.noop()[0] == "OK"


def _typed(login: Login) -> tuple[str, str]:
    return login.name, login.password
