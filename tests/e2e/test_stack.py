"""The store itself, without the guard: what later tests lean on is true."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.e2e import clients
from tests.e2e.clients import Door, Login, Reader, Refused, Sender
from tests.e2e.letters import LARGE, as_sent, compose
from tests.e2e.stack import Stack


def _master_plain(stack: Stack, name: str) -> bytes:
    return f"{name}\0{stack.master_user}\0{stack.master_secret}".encode()


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_users_log_in_with_their_own_password(stack: Stack, tls: str) -> None:
    user = stack.user()
    imap_port = stack.imap_own_port if tls == "implicit" else stack.imap_own_starttls_port
    smtp_port = stack.submission_port if tls == "implicit" else stack.submission_starttls_port
    with clients.imap(Door(imap_port, tls, stack.ca), Login(user.name, user.password)) as imap:
        assert imap.select() == ("OK", [b"0"])
    with clients.smtp(Door(smtp_port, tls, stack.ca), Login(user.name, user.password)) as smtp:
        assert smtp.noop()[0] == 250


def test_the_identity_listener_takes_the_same_passwords(stack: Stack) -> None:
    user = stack.user()
    with clients.imap(Door(stack.identity_port, "implicit", stack.ca), Login(user.name, user.password)) as imap:
        assert imap.noop()[0] == "OK"


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_the_master_user_opens_a_mailbox_in_both_forms(stack: Stack, tls: str) -> None:
    user = stack.user()
    door = Door(
        stack.imap_master_port if tls == "implicit" else stack.imap_master_starttls_port, tls, stack.ca
    )  # fmt: skip
    with clients.imap_connection(door) as imap:
        assert imap.authenticate("PLAIN", lambda _: _master_plain(stack, user.name))[0] == "OK"
    with clients.imap(door, Login(f"{user.name}*{stack.master_user}", stack.master_secret)) as imap:
        assert imap.select() == ("OK", [b"0"])


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_the_master_user_submits_for_a_user(stack: Stack, tls: str) -> None:
    user = stack.user()
    port = stack.submission_master_port if tls == "implicit" else stack.submission_master_starttls_port
    with clients.smtp_connection(Door(port, tls, stack.ca)) as smtp:
        smtp.ehlo()
        answer = smtp.docmd("AUTH", "PLAIN " + base64.b64encode(_master_plain(stack, user.name)).decode())
        assert answer[0] == 235, answer
        assert smtp.mail(user.name)[0] == 250
        assert smtp.rcpt(user.name)[0] == 250


def test_behind_the_master_door_no_password_of_a_user_works_and_strangers_have_no_mailbox(stack: Stack) -> None:
    user, door = stack.user(), Door(stack.imap_master_port, "implicit", stack.ca)
    with pytest.raises(Refused, match="AUTHENTICATIONFAILED"), clients.imap(door, Login(user.name, user.password)):
        pass
    nobody = Login(f"nobody@example.org*{stack.master_user}", stack.master_secret)
    with pytest.raises(Refused, match="AUTHORIZATIONFAILED"), clients.imap(door, nobody):
        pass


def test_the_master_secret_opens_nothing_from_another_address(stack: Stack) -> None:
    door = Door(stack.imap_master_port, "implicit", stack.ca, stack.address())
    login = Login(f"{stack.user().name}*{stack.master_user}", stack.master_secret)
    with pytest.raises(Refused, match="AUTHENTICATIONFAILED"), clients.imap(door, login):
        pass


@pytest.mark.parametrize(
    ("programs", "size"),
    [
        pytest.param((clients.smtplib_send, clients.imaplib_read), LARGE, id="smtplib-imaplib-25MB"),
        pytest.param((clients.curl_send, clients.curl_read), 2000, id="curl"),
        pytest.param((clients.msmtp_send, clients.mbsync_read), 2000, id="msmtp-mbsync"),
    ],
)
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_letter_arrives_as_it_was_sent(
    stack: Stack, tls: str, programs: tuple[Sender, Reader], size: int, tmp_path: Path
) -> None:
    send, read = programs
    user = stack.user()
    login = Login(user.name, user.password)
    letter = compose(user.name, user.name, size)
    implicit = tls == "implicit"
    send(Door(stack.submission_port if implicit else stack.submission_starttls_port, tls, stack.ca), login, letter,
         tmp_path)  # fmt: skip
    stack.delivered(letter.recipient)
    door = Door(stack.imap_own_port if implicit else stack.imap_own_starttls_port, tls, stack.ca)
    assert as_sent(read(door, login, letter, tmp_path)) == letter.content


def test_submission_offers_what_the_guard_mirrors_and_no_xclient(stack: Stack) -> None:
    with clients.smtp_connection(Door(stack.submission_port, "implicit", stack.ca)) as smtp:
        smtp.ehlo()
        offered = set(smtp.esmtp_features)
    assert {"size", "8bitmime", "smtputf8", "dsn", "chunking", "pipelining", "enhancedstatuscodes", "auth"} <= offered
    assert "xclient" not in offered


def test_nobody_sends_in_another_name_or_without_login(stack: Stack) -> None:
    user, other = stack.user(), stack.user()
    door = Door(stack.submission_port, "implicit", stack.ca)
    with clients.smtp(door, Login(user.name, user.password)) as smtp:
        smtp.mail(other.name)
        assert smtp.rcpt(user.name)[0] == 553
    with clients.smtp_connection(door) as smtp:
        smtp.ehlo()
        smtp.mail("")
        assert smtp.rcpt("anybody@elsewhere.example")[0] == 554


def test_the_naive_service_relays_for_everybody_on_this_host(stack: Stack) -> None:
    with clients.smtp_connection(Door(stack.submission_naive_port, "implicit", stack.ca)) as smtp:
        smtp.ehlo()
        assert smtp.mail("somebody@elsewhere.example")[0] == 250
        assert smtp.rcpt("anybody@elsewhere.example")[0] == 250


def test_the_xclient_service_lets_this_host_become_anybody(stack: Stack) -> None:
    user, victim = stack.user(), stack.user()
    door = Door(stack.submission_xclient_port, "implicit", stack.ca)
    with clients.smtp(door, Login(user.name, user.password)) as smtp:
        assert "xclient" in smtp.esmtp_features
        assert smtp.docmd("XCLIENT", f"LOGIN={victim.name}")[0] == 220
        smtp.ehlo()
        assert smtp.mail(victim.name)[0] == 250
        assert smtp.rcpt(user.name)[0] == 250


def test_the_penalty_for_guessing_falls_on_the_address_that_the_id_names(stack: Stack) -> None:
    user = stack.user()
    door = Door(stack.imap_own_port, "implicit", stack.ca)
    mark = stack.logs["own"].mark()
    with clients.imap_connection(door) as imap:
        status, _ = imap.xatom(
            "ID", '("x-originating-ip" "203.0.113.7" "x-originating-port" "50111" "x-proxy-ttl" "5")'
        )
        assert status == "OK"
        imap.login(user.name, user.password)
    stack.logs["own"].wait_for(rf"Login: user=<{user.name}>.*rip=203\.0\.113\.7", mark)
