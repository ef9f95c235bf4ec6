"""One way to the mail store, as configured: where it is, how TLS is spoken, whose credential opens it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mailguard.auth.attempt import LoginForm, MailProtocol, Origin
from mailguard.backends.manners import Manners
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
from mailguard.config.kinds import UNIX, within_this_machine
from mailguard.config.secret_file import secret_in
from mailguard.net.resumption import ResumingContext
from mailguard.net.tls import client_context
from mailguard.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where legs of one protocol go. `hostname` is ours, for the EHLO of clients whose own cannot be passed on."""

    protocol: MailProtocol
    host: str  # name, IP address or unix:/path; a certificate must carry it
    port: int
    tls: TlsMode
    hostname: str
    context: ResumingContext | None = None
    bind: str = ""  # local address of the connection
    form: LoginForm = LoginForm.OWN
    username: Username = Username.ADDRESS
    master_user: str = ""
    master_form: MasterForm = MasterForm.AUTHZID
    master_secret: Secret | None = None
    forward_client: bool = False  # tell the store the client's address by IMAP ID
    manners: Manners = field(default_factory=Manners, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.tls is TlsMode.NONE:
            if not within_this_machine(self.host):
                raise ValueError(f"{self}: credentials never cross a network in clear")
        elif self.context is None:
            raise ValueError(f"{self}: TLS without a context to verify the store by")
        if self.form is LoginForm.MASTER and not (self.master_user and self.master_secret):
            raise ValueError(f"{self}: a master login without a master")

    @property
    def socket_path(self) -> str | None:
        """The path of a unix socket, or None."""
        return self.host.removeprefix(UNIX) if self.host.startswith(UNIX) else None

    def __str__(self) -> str:
        where = self.host if self.socket_path is not None else f"{self.host}:{self.port}"
        return f"{self.protocol} store {where}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a leg is for. `session` is our id of the session, `helo` the client's own EHLO argument."""

    origin: Origin
    session: str
    helo: str = ""


def target(protocol: MailProtocol, backend: Backend, *, hostname: str) -> Target:
    """From one [backend.…] table. Raises ConfigError for an unreadable secret, TlsError for an unreadable CA."""
    master = backend.login is Login.MASTER
    return Target(
        protocol=protocol,
        host=backend.host,
        port=backend.port,
        tls=backend.tls,
        hostname=hostname,
        context=None if backend.tls is TlsMode.NONE else client_context(backend.ca),
        bind=backend.bind,
        form=LoginForm.MASTER if master else LoginForm.OWN,
        username=backend.username,
        master_user=backend.master_user,
        master_form=backend.master_form,
        master_secret=_master_secret(protocol, backend.master_secret_file) if master else None,
        forward_client=protocol is MailProtocol.IMAP and backend.forward_client in _BY_ID,
    )


def identity_target(backend: IdentityBackend, username: Username, *, hostname: str) -> Target:
    """From [identity.backend]: the listener that is only asked whether a password is right."""
    return Target(
        protocol=MailProtocol.IMAP,
        host=backend.host,
        port=backend.port,
        tls=backend.tls,
        hostname=hostname,
        context=None if backend.tls is TlsMode.NONE else client_context(backend.ca),
        username=username,
        forward_client=True,
    )


_BY_ID = frozenset({ForwardClient.AUTO, ForwardClient.ID})


def _master_secret(protocol: MailProtocol, file: Path | None) -> Secret:
    key = f"backend.{protocol}.master_secret_file"
    if file is None:
        raise ConfigError(key, "is missing; write the name of a file that holds the master's password")
    return secret_in(file, key, "the master's password")
