"""PLAIN and LOGIN, step by step."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth.attempt import LoginAttempt
from mailguard.protocols.sasl import RESPONSE_MAX, Challenge, Fault, Login, Plain, Rejected, credential, exchange
from mailguard.secret import Secret


def plain(message: bytes) -> object:
    """The outcome of PLAIN, which must not depend on how the message came."""
    outcome = Plain().answer(b64encode(message))
    if message:
        assert Plain().begin(b64encode(message)) == outcome
    return outcome


@pytest.mark.parametrize("name", [b"PLAIN", b"plain", b"Plain"])
def test_mechanisms_are_found_in_any_case(name: bytes) -> None:
    assert isinstance(exchange(name), Plain)
    assert isinstance(exchange(b"LoGiN"), Login)


@pytest.mark.parametrize("name", [b"CRAM-MD5", b"EXTERNAL", b"XOAUTH2", b"SCRAM-SHA-256", b""])
def test_no_other_mechanism_is_spoken(name: bytes) -> None:
    assert exchange(name) is None


@pytest.mark.parametrize("authzid", [b"", b"ann"])
def test_authzid_may_be_empty_or_the_same(authzid: bytes) -> None:
    assert plain(authzid + b"\0ann\0pw 123456") == LoginAttempt("ann", Secret(b"pw 123456"), "PLAIN")


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"bob\0ann\0pw", id="authzid of another"),
        pytest.param(b"ANN\0ann\0pw", id="authzid in another case"),
        pytest.param(b"ann\0pw", id="one NUL"),
        pytest.param(b"ann", id="no NUL"),
        pytest.param(b"\0ann\0pw\0", id="three NULs"),
        pytest.param(b"\0ann\0p\0w", id="NUL in the password"),
        pytest.param(b"\0\0pw", id="empty user"),
        pytest.param(b"\0ann\0", id="empty password"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_plain_message_that_holds_no_credential_fails(message: bytes) -> None:
    assert plain(message) == Rejected(Fault.MESSAGE)


def test_plain_asks_when_there_is_no_initial_response() -> None:
    step = Plain().begin(None)
    assert step == Challenge(b"")
    assert isinstance(step, Challenge)
    assert step.base64 == b""


def test_an_initial_response_that_is_present_and_empty_is_no_credential() -> None:
    assert Plain().begin(b"=") == Rejected(Fault.MESSAGE)
    assert Plain().begin(b"") == Rejected(Fault.BASE64)


def test_login_asks_for_name_and_password() -> None:
    login = Login()
    assert [challenge_of(login.begin(None)), challenge_of(login.answer(b64encode(b"ann")))] == [
        b"VXNlcm5hbWU6",
        b"UGFzc3dvcmQ6",
    ]
    assert login.answer(b64encode(b"pw")) == LoginAttempt("ann", Secret(b"pw"), "LOGIN")


def challenge_of(step: object) -> bytes:
    assert isinstance(step, Challenge)
    return step.base64


def test_login_takes_the_name_as_initial_response() -> None:
    login = Login()
    assert login.begin(b64encode(b"ann")) == Challenge(b"Password:")
    assert login.answer(b64encode(b"pw")) == LoginAttempt("ann", Secret(b"pw"), "LOGIN")


@pytest.mark.parametrize(("name", "password"), [(b"", b"pw"), (b"ann", b""), (b"a\0b", b"pw"), (b"ann", b"p\0w")])
def test_login_without_a_sound_name_and_password_fails(name: bytes, password: bytes) -> None:
    login = Login()
    login.begin(None)
    login.answer(b64encode(name))
    assert login.answer(b64encode(password)) == Rejected(Fault.MESSAGE)


@pytest.mark.parametrize(
    "line", [b"!!!", b"YQ", b"YQ=", b"YQ==\n", b" YQ==", b"YQ== ", b"YQ==YQ==", b"=YQ=", b"====", b"Y\0=="]
)
def test_base64_is_strict(line: bytes) -> None:
    assert Plain().begin(line) == Rejected(Fault.BASE64)
    assert Plain().answer(line) == Rejected(Fault.BASE64)
    login = Login()
    assert login.begin(line) == Rejected(Fault.BASE64)
    assert login.answer(line) == Rejected(Fault.BASE64)


def test_the_empty_marker_is_for_initial_responses_only() -> None:
    assert Plain().answer(b"=") == Rejected(Fault.BASE64)


def test_a_star_cancels_at_every_step() -> None:
    login = Login()
    login.begin(b64encode(b"ann"))
    assert login.answer(b"*") == Plain().answer(b"*") == Login().answer(b"*") == Rejected(Fault.CANCELLED)


def test_a_response_has_a_limit() -> None:
    longest = b64encode(b"\0ann\0" + b"x" * (RESPONSE_MAX // 4 * 3 - 5))
    assert len(longest) == RESPONSE_MAX
    assert isinstance(Plain().begin(longest), LoginAttempt)
    assert Plain().begin(longest + b"AAAA") == Plain().answer(longest + b"AAAA") == Rejected(Fault.TOO_LONG)


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        pytest.param("Jürgen".encode(), "Jürgen", id="utf-8"),
        pytest.param(b"J\xfcrgen", "Jürgen", id="cp1252"),
        pytest.param(b"J\xfc\x81", "Jü\ufffd", id="neither"),
    ],
)
def test_names_are_decoded_and_passwords_are_not(octets: bytes, name: str) -> None:
    attempt = credential(octets, octets, "PLAIN")
    assert isinstance(attempt, LoginAttempt)
    assert attempt.username == name
    assert attempt.secret.reveal() == octets


def test_no_repr_tells_the_password() -> None:
    login = Login()
    login.begin(b64encode(b"ann"))
    shown = repr([plain(b"\0ann\0hunter2"), login.answer(b64encode(b"hunter2")), login])
    assert "hunter2" not in shown


@given(st.binary(max_size=60), st.booleans())
def test_no_bytes_raise(line: bytes, initial: bool) -> None:
    for mechanism in (Plain(), Login()):
        step = mechanism.begin(line) if initial else mechanism.answer(line)
        assert isinstance(step, Challenge | LoginAttempt | Rejected)


@given(st.binary(min_size=1), st.binary(min_size=1))
def test_plain_gives_back_what_was_sent(name: bytes, password: bytes) -> None:
    outcome = plain(b"\0" + name + b"\0" + password)
    if b"\0" in name + password:
        assert outcome == Rejected(Fault.MESSAGE)
    else:
        assert isinstance(outcome, LoginAttempt)
        assert outcome.secret.reveal() == password
