"""Who is asked where people sign in: never with the store's master secret."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from mailguard import config
from mailguard.app.rules import asked_of
from mailguard.auth.attempt import LoginForm, MailProtocol
from mailguard.config import Login
from mailguard.config.connections import Server

NOWHERE = Path("/nonexistent/master-secret")
MASTER = config.Backend(host="store.internal", login=Login.MASTER, master_user="guard", master_secret_file=NOWHERE)


def _settings(identity: config.IdentityBackend | None = None, **backends: config.Backend) -> config.Settings:
    return config.Settings(
        server=Server(hostname="mail.example.org"),
        identity=config.connections.Identity(backend=identity),
        backend=MappingProxyType(dict(backends)),
    )


def test_the_secret_of_a_master_is_not_read() -> None:
    asked = asked_of(_settings(imap=MASTER, submission=MASTER))
    assert (asked.protocol, asked.host, asked.form) == (MailProtocol.IMAP, "store.internal", LoginForm.OWN)
    assert asked.master_secret is None


def test_a_listener_of_its_own_is_asked_where_there_is_one() -> None:
    asked = asked_of(_settings(config.IdentityBackend(host="identity.internal"), imap=MASTER))
    assert (asked.host, asked.master_secret) == ("identity.internal", None)


def test_without_mail_reading_the_way_in_is_asked() -> None:
    asked = asked_of(_settings(submission=config.Backend(host="store.internal", port=465)))
    assert (asked.protocol, asked.port, asked.form) == (MailProtocol.SUBMISSION, 465, LoginForm.OWN)
