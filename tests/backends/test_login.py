from dataclasses import replace

import pytest

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import LoginForm, MailProtocol
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.login import Credential, master, own
from mailguard.backends.target import Target
from mailguard.config import MasterForm, TlsMode, Username
from mailguard.secret import Secret

ANN = AccountName("ann@example.org")
PASSWORD = Secret(b"secret")
OWN = Target(protocol=MailProtocol.IMAP, host="::1", port=143, tls=TlsMode.NONE, hostname="mail.example.org")
MASTER = replace(OWN, form=LoginForm.MASTER, master_user="Gate", master_secret=Secret(b"m"))


def test_the_user_s_own_password() -> None:
    assert own(OWN, ANN, PASSWORD) == Credential("", "ann@example.org", PASSWORD)
    assert own(replace(OWN, username=Username.LOCAL), ANN, PASSWORD).authcid == "ann"
    assert own(replace(OWN, username=Username("CORP\\{local}")), ANN, PASSWORD).authcid == "CORP\\ann"
    assert own(replace(OWN, username=Username("{domain}/{local}")), ANN, PASSWORD).authcid == "example.org/ann"


def test_a_master_by_authzid() -> None:
    assert master(MASTER, ANN) == Credential("ann@example.org", "Gate", Secret(b"m"))


def test_a_master_by_separator() -> None:
    by_separator = replace(MASTER, master_form=MasterForm.SEPARATOR, username=Username.LOCAL)
    assert master(by_separator, ANN) == Credential("", "ann*Gate", Secret(b"m"))


def test_the_plain_message() -> None:
    credential = Credential("änn", "gate", Secret(b"\xff"))
    assert credential.plain() == Secret("änn\0gate\0".encode() + b"\xff")
    assert "xff" not in repr(credential)


@pytest.mark.parametrize(
    "name",
    ["victim*gate", "victim@example.org*gate", "ann\r\n@x", "ann\0", "ann\x7f@x", "ann b@x", "\u202eann@x", "", "@x"],
)
def test_a_name_that_would_not_mean_the_user_is_refused(name: str) -> None:
    local = Username.LOCAL if name == "@x" else Username.ADDRESS
    with pytest.raises(BackendFailure) as raised:
        own(replace(OWN, username=local), AccountName(name), PASSWORD)
    assert raised.value.kind is FailureKind.REFUSED
    with pytest.raises(BackendFailure) as raised:
        master(replace(MASTER, username=local), AccountName(name))
    assert raised.value.kind is FailureKind.REFUSED


def test_the_master_s_own_name_is_refused() -> None:
    local = replace(MASTER, username=Username.LOCAL)
    with pytest.raises(BackendFailure):
        master(local, AccountName("gate@x"))
    with pytest.raises(BackendFailure):
        own(local, AccountName("GATE@x"), PASSWORD)
    windows = replace(MASTER, username=Username("CORP\\{local}"), master_user="corp\\Gate")
    with pytest.raises(BackendFailure):
        master(windows, AccountName("gate@x"))


@pytest.mark.parametrize("name", ["", "@x"])
def test_a_template_makes_no_name_of_nobody(name: str) -> None:
    with pytest.raises(BackendFailure):
        own(replace(OWN, username=Username("CORP\\{local}")), AccountName(name), PASSWORD)


def test_a_template_is_filled_once() -> None:
    braces = AccountName("{domain}@example.org")
    assert own(replace(OWN, username=Username("{domain}/{local}")), braces, PASSWORD).authcid == "example.org/{domain}"


@pytest.mark.parametrize("password", [b"", b"a\0b", b"a\r\nb", b"a\nb"])
def test_a_password_that_no_store_may_be_asked(password: bytes) -> None:
    with pytest.raises(BackendFailure) as raised:
        own(OWN, ANN, Secret(password))
    assert raised.value.kind is FailureKind.REFUSED


def test_a_master_that_is_not_configured_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no master"):
        master(OWN, ANN)
