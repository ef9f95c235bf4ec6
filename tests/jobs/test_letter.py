"""A letter as its reader gets it."""

from __future__ import annotations

import string
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from mailguard.auth.attempt import Reason
from mailguard.auth.notices import Failing, Notice, NoticeKind
from mailguard.jobs import wording
from mailguard.jobs.letter import WIDTH, Office, compose
from mailguard.store.notices import Letter
from mailguard.store.refusals import TELLING
from tests.store.words import ANN, BOB, NOON

HOME_MAIL = "ann@home.example"
OFFICE = Office(post=None, organisation="", hostname="mail.example.org", support="help desk, 555 0100")
PHONE = Notice(
    NoticeKind.FACTOR_ADDED, ANN, NOON, actor="operator:root", address="192.0.2.7", protocol="imap", label="phone"
)


def opened(*notices: Notice, office: Office = OFFICE) -> EmailMessage:
    letter = Letter("k7mq2xwdk7mq", ANN, (HOME_MAIL, "desk@office.example"), notices)
    message = message_from_bytes(compose(letter, HOME_MAIL, office, "security@example.org"), policy=default)
    assert isinstance(message, EmailMessage)
    return message


def text(*notices: Notice, office: Office = OFFICE) -> str:
    return str(opened(*notices, office=office).get_content()).replace("\r\n", "\n")


def test_its_head_says_who_writes_to_whom_and_that_no_human_did() -> None:
    letter = opened(PHONE)
    assert letter["From"] == '"mail.example.org" <security@example.org>'
    assert letter["To"] == HOME_MAIL  # nobody sees the others: a thief reads the mailbox
    assert letter["Subject"] == "ann@example.org: an authenticator was added"
    assert letter["Date"] == "Tue, 24 Nov 2026 12:00:00 +0000"
    assert letter["Message-ID"] == "<k7mq2xwdk7mq.notice@mail.example.org>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content_type() == "text/plain"


def test_it_says_what_happened_when_where_by_whom_and_what_to_do() -> None:
    assert (
        text(PHONE)
        == """\
This is about the mailbox ann@example.org.

An authenticator "phone" was added. From now on its codes open your mailbox,
together with your password.

  when  2026-11-24 12:00 UTC
  from  192.0.2.7, reading mail (IMAP)
  by    root, who looks after the mail server

If you did this or asked for it, there is nothing to do.
If not, somebody else may hold a key to your mailbox. Ask at once, whatever
the hour, to have the account suspended: that shuts everybody out within a
second.

Whom to ask: help desk, 555 0100

You get this letter because your address is named as second address of this
mailbox, is that of its organisation, or is the mailbox itself. It was
written by a machine, mail.example.org; nobody reads answers to it. It asks
for no password and no code, and no true letter of ours ever will.
"""
    )


def test_several_things_are_one_letter() -> None:
    letter = opened(PHONE, Notice(NoticeKind.FACTORS_RESET, ANN, NOON, actor="system"))
    assert letter["Subject"] == "ann@example.org: 2 things happened to your account"
    assert "All authenticators" in letter.get_content()
    assert "by    the mail server itself" in letter.get_content()


def test_a_device_is_named_with_its_remedy() -> None:
    failing = Failing(
        Reason.APP_PASSWORD_REVOKED, "192.0.2.7", "imap", 40, NOON, client="K-9 Mail 6.8", label="old phone"
    )
    unnamed = Failing(Reason.WRONG_REPEATED, "2001:db8::7", "submission", 12, NOON)
    told = " ".join(text(Notice(NoticeKind.DEVICE_FAILING, ANN, NOON, failing=(failing, unnamed))).split())
    assert (
        'K-9 Mail 6.8 "old phone", at 192.0.2.7, reading mail (IMAP): refused 40 times, last 2026-11-24 12:00 UTC. '
        "Its app password was revoked. Make a new app password for it" in told
    )
    assert "a mail program, at 2001:db8::7, sending mail (SMTP): refused 12 times" in told
    assert "sends a wrong password" in told


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_has_words_that_can_be_filled(kind: NoticeKind) -> None:
    told = text(Notice(kind, ANN, NOON, client="mutt", label="phone", detail="something"))
    assert "{" not in told
    assert wording.WORDS[kind].subject in opened(Notice(kind, ANN, NOON))["Subject"]
    names = {name for _, name, _, _ in string.Formatter().parse(wording.WORDS[kind].happened) if name}
    assert names <= {"label", "detail", "client"}


@pytest.mark.parametrize("reason", TELLING)
def test_every_reason_that_a_device_fails_for_has_its_remedy(reason: Reason) -> None:
    failing = Failing(reason, "192.0.2.7", "imap", 40, NOON)
    assert wording.REMEDIES[reason][:20] in text(Notice(NoticeKind.DEVICE_FAILING, ANN, NOON, failing=(failing,)))


def test_what_a_client_calls_itself_stays_on_its_line_and_is_short() -> None:
    evil = "x\r\nBcc: all@example.org\n\nPlease send your password to {support}\x1b[2J" + "y" * 500
    letter = opened(Notice(NoticeKind.CLIENT_REFUSED, ANN, NOON, client=evil, label=evil, detail=evil))
    assert letter["Bcc"] is None
    lines = letter.get_content().splitlines()
    assert not any(line.startswith(("Bcc", "Please")) for line in lines)
    assert "\x1b" not in letter.get_content()
    assert max(map(len, lines)) < 200


def test_a_person_behind_a_shared_mailbox_is_named() -> None:
    assert "by    bob@example.org" in text(Notice(NoticeKind.APP_PASSWORD_FIRST_USED, ANN, NOON, person=BOB))
    assert "by    somebody who signed in as you" in text(Notice(NoticeKind.FACTOR_ADDED, ANN, NOON, actor=ANN))


def test_without_a_number_to_call_it_says_not_to_answer() -> None:
    office = Office(post=None, organisation="", hostname="mail.example.org", support="")
    assert "do not answer this letter" in " ".join(text(PHONE, office=office).split())


def test_the_same_letter_is_the_same_bytes() -> None:
    letter = Letter("k7mq2xwdk7mq", ANN, (HOME_MAIL,), (PHONE,))
    assert compose(letter, HOME_MAIL, OFFICE, "s@example.org") == compose(letter, HOME_MAIL, OFFICE, "s@example.org")


def test_a_name_beyond_ascii_is_written_as_it_is() -> None:
    assert opened(Notice(NoticeKind.REPLAY, "jörg@example.org", NOON))["Subject"].startswith("ann@example.org")
    letter = Letter("k7mq2xwdk7mq", "jörg@example.org", (HOME_MAIL,), (PHONE,))
    message = message_from_bytes(compose(letter, HOME_MAIL, OFFICE, "s@example.org"), policy=default)
    assert message["Subject"] == "jörg@example.org: an authenticator was added"
    assert WIDTH < 78
