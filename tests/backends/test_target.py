import ssl
from pathlib import Path

import pytest

from mailguard.auth.attempt import LoginForm, MailProtocol
from mailguard.backends.target import Target, identity_target, target
from mailguard.config import (
    Backend,
    ConfigError,
    ForwardClient,
    IdentityBackend,
    Login,
    MasterForm,
    TlsMode,
    Username,
)
from mailguard.net.tls import TlsError
from mailguard.secret import Secret
from tests.support.certs import Authority

IMAP, SUBMISSION = MailProtocol.IMAP, MailProtocol.SUBMISSION


def test_what_is_configured_is_what_is_dialled(authority: Authority, tmp_path: Path) -> None:
    secret = tmp_path / "master"
    secret.write_bytes(b"pa ss\n")
    backend = Backend(
        host="store.internal",
        port=993,
        ca=authority.ca,
        bind="192.0.2.1",
        login=Login.MASTER,
        username=Username.LOCAL,
        master_user="gate",
        master_form=MasterForm.SEPARATOR,
        master_secret_file=secret,
    )
    made = target(IMAP, backend, hostname="mail.example.org")
    assert made.context is not None
    assert made.context.verify_mode is ssl.CERT_REQUIRED
    assert made.context.check_hostname
    assert (made.form, made.master_user, made.master_secret) == (LoginForm.MASTER, "gate", Secret(b"pa ss"))
    assert (made.bind, made.username, made.master_form) == ("192.0.2.1", Username.LOCAL, MasterForm.SEPARATOR)
    assert made.forward_client
    assert str(made) == "imap store store.internal:993"
    assert "pa ss" not in repr(made)


def test_the_client_is_named_where_the_protocol_can() -> None:
    backend = Backend(host="store.internal", port=465)
    assert not target(SUBMISSION, backend, hostname="x").forward_client
    silent = Backend(host="store.internal", port=993, forward_client=ForwardClient.NONE)
    assert not target(IMAP, silent, hostname="x").forward_client


def test_the_identity_listener() -> None:
    made = identity_target(IdentityBackend(host="localhost", port=1143, tls=TlsMode.NONE), Username.LOCAL, hostname="x")
    assert (made.protocol, made.form, made.username) == (IMAP, LoginForm.OWN, Username.LOCAL)
    assert made.forward_client
    assert made.context is None


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"tab\tbed", None])
def test_a_master_secret_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "master"
    if content is not None:
        file.write_bytes(content)
    backend = Backend(host="s", port=1, login=Login.MASTER, master_user="gate", master_secret_file=file)
    with pytest.raises(ConfigError) as raised:
        target(SUBMISSION, backend, hostname="x")
    assert raised.value.key == "backend.submission.master_secret_file"
    assert str(file) in raised.value.why


def test_a_master_without_a_secret_file() -> None:
    with pytest.raises(ConfigError):
        target(IMAP, Backend(host="s", port=1, login=Login.MASTER, master_user="gate"), hostname="x")


def test_an_authority_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TlsError):
        target(IMAP, Backend(host="s", port=1, ca=tmp_path / "none.pem"), hostname="x")


@pytest.mark.parametrize("host", ["store.internal", "192.0.2.1", "2001:db8::1", "localhost.example.org"])
def test_credentials_never_cross_a_network_in_clear(host: str) -> None:
    with pytest.raises(ValueError, match="in clear"):
        Target(protocol=IMAP, host=host, port=143, tls=TlsMode.NONE, hostname="x")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1", "unix:/run/store"])
def test_within_this_machine_they_may(host: str) -> None:
    Target(protocol=IMAP, host=host, port=143, tls=TlsMode.NONE, hostname="x")


@pytest.mark.parametrize("tls", [TlsMode.IMPLICIT, TlsMode.STARTTLS])
def test_tls_without_a_context_is_no_tls(tls: TlsMode) -> None:
    with pytest.raises(ValueError, match="context"):
        Target(protocol=IMAP, host="localhost", port=143, tls=tls, hostname="x")


def test_a_master_login_needs_a_master() -> None:
    with pytest.raises(ValueError, match="master"):
        Target(protocol=IMAP, host="::1", port=1, tls=TlsMode.NONE, hostname="x", form=LoginForm.MASTER)
