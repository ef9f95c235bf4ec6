"""The tables about connections: the guard itself, its doors, and the way to the mail store."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from mailguard.config import kinds
from mailguard.config.choices import (
    ForwardClient,
    Login,
    MasterForm,
    ProtocolName,
    Source,
    TlsMode,
    TlsVersion,
    Unknown,
)
from mailguard.config.directory import IdentityLdap
from mailguard.config.errors import Wrong
from mailguard.config.key import key
from mailguard.config.kinds import ADDRESS, HOST, HOSTNAME, LOCAL_IP, NETWORKS, OPTIONAL_PATH, PATH, PORT, Kind, Rate
from mailguard.config.username import USERNAME, Username

Networks = tuple[IPv4Network | IPv6Network, ...]


def _workers(raw: object, folder: Path) -> int:
    if raw == "auto":
        return len(os.sched_getaffinity(0))
    if isinstance(raw, str):
        raise Wrong(f'must be "auto" or 1..256, not {kinds.shown(raw)}')
    return kinds.integer(1, 256).read(raw, folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The guard itself."""

    hostname: str = key(
        HOSTNAME, "mail.example.org", "the name that clients connect to and certificates carry", required=True
    )
    workers: int = key(Kind(_workers, int), "auto", "processes; auto = one per core")
    drain: float = key(kinds.duration("0", "1h"), "30s", "how long open sessions may go on after SIGTERM")
    user: str = key(kinds.USER, "", "the workers run as this user; needs a start as root, or a service of its own")


@dataclass(frozen=True, slots=True, kw_only=True)
class SniCertificate:
    """One further certificate, for clients that ask for `name`."""

    name: str
    certificate: Path
    private_key: Path


def _sni(raw: object, folder: Path) -> tuple[SniCertificate, ...]:
    if not isinstance(raw, list) or not all(
        isinstance(item, dict) and item.keys() == {"name", "certificate", "private_key"} for item in raw
    ):
        raise Wrong("must be a list of { name, certificate, private_key }")
    return tuple(
        SniCertificate(
            name=HOSTNAME.read(item["name"], folder),
            certificate=PATH.read(item["certificate"], folder),
            private_key=PATH.read(item["private_key"], folder),
        )
        for item in raw
    )


def _sni_raw(value: tuple[SniCertificate, ...]) -> kinds.Raw:
    return [
        {"name": item.name, "certificate": str(item.certificate), "private_key": str(item.private_key)}
        for item in value
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What clients are shown."""

    certificate: Path = key(PATH, "certs/fullchain.pem", "PEM, with the intermediates")
    private_key: Path = key(PATH, "certs/privkey.pem", "PEM, readable by mailguard alone")
    names: tuple[SniCertificate, ...] = key(
        Kind(_sni, _sni_raw), [], "[{ name, certificate, private_key }] for clients that ask for another name"
    )
    minimum: TlsVersion = key(kinds.choice(TlsVersion), "TLSv1.2", "TLSv1.2 | TLSv1.3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """One door for clients."""

    protocol: ProtocolName = key(
        kinds.choice(ProtocolName, later=(ProtocolName.POP3, ProtocolName.MANAGESIEVE)),
        "imap",
        "imap | submission",
        required=True,
    )
    address: str = key(ADDRESS, "0.0.0.0:993", "IP address and port; [::]:993 takes IPv4 and IPv6", required=True)
    tls: TlsMode = key(kinds.choice(TlsMode, never=(TlsMode.NONE,)), "implicit", "implicit | starttls")
    proxy_from: Networks = key(NETWORKS, [], "networks from which a PROXY header is demanded and believed", built=False)
    forwarded_from: Networks = key(NETWORKS, [], "webmail hosts whose IMAP ID client address is believed", built=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityBackend:
    """An IMAP listener of the store that takes users' own passwords and that the relay never uses."""

    host: str = key(HOST, "store.internal", "", required=True)
    port: int = key(PORT, 993, "", required=True)
    tls: TlsMode = key(kinds.choice(TlsMode), "implicit", "implicit | starttls | none (loopback and unix sockets only)")
    ca: Path | None = key(OPTIONAL_PATH, "", "PEM file; empty: the system's roots")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who checks the user's own password."""

    source: Source = key(
        kinds.choice(Source), "backend", "backend: the mail store | ldap: a directory | local: our own records"
    )
    unknown: Unknown = key(
        kinds.choice(Unknown), "create", "create: an account after the first right password | refuse"
    )
    recheck: float = key(
        kinds.duration("0", "7d"), "15m", "how often a directory is asked whether accounts are still active; 0: never"
    )
    questions: Rate = key(
        kinds.rate(2, 1000, "1m", "24h"),
        "4/30m",
        "refused questions per name; then none is asked; one is kept for networks where it was granted in 30 days",
    )
    backend: IdentityBackend | None = None
    ldap: IdentityLdap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The way to the mail store for one protocol: IMAP."""

    host: str = key(HOST, "store.internal", "host, IP address or unix:/path", required=True)
    port: int = key(PORT, 993, "", required=True)
    tls: TlsMode = key(kinds.choice(TlsMode), "implicit", "implicit | starttls | none (loopback and unix sockets only)")
    ca: Path | None = key(OPTIONAL_PATH, "", "PEM file; empty: the system's roots")
    bind: str = key(LOCAL_IP, "", "local address of connections to the store")
    login: Login = key(
        kinds.choice(Login, later=(Login.TOKEN,)),
        "own",
        "own: the user's own password, typed or sealed to an app password | master: one secret of ours",
    )
    username: Username = key(
        USERNAME, "address", r"address | local | a template such as 'CORP\{local}': the name given to the store"
    )
    master_user: str = key(kinds.text(r"[!-~]*", "a login name of ASCII without spaces"), "", 'with login = "master"')
    master_form: MasterForm = key(kinds.choice(MasterForm), "authzid", "authzid | separator (user*master)")
    master_secret_file: Path | None = key(OPTIONAL_PATH, "", "file with the master's password, mode 0600")
    forward_client: ForwardClient = key(
        kinds.choice(ForwardClient, later=(ForwardClient.XCLIENT, ForwardClient.PROXY)),
        "auto",
        "auto | id | none: how the store learns the client's address",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionBackend(Backend):
    """The way to the mail store for submission."""

    port: int = key(PORT, 465, "", required=True)
    forward_client: ForwardClient = key(
        kinds.choice(ForwardClient, later=(ForwardClient.XCLIENT, ForwardClient.PROXY), never=(ForwardClient.ID,)),
        "auto",
        "auto | none: how the store learns the client's address",
        waits="the store sees mailguard's address, not the client's",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyRelay:
    """A mail server of yours that takes letters to anybody from mailguard."""

    host: str = key(HOST, "relay.internal", "host, IP address or unix:/path", required=True)
    port: int = key(PORT, 587, "", required=True)
    tls: TlsMode = key(kinds.choice(TlsMode), "starttls", "implicit | starttls | none (loopback and unix sockets only)")
    ca: Path | None = key(OPTIONAL_PATH, "", "PEM file; empty: the system's roots")
    user: str = key(kinds.text(r"[!-~]*", "a login name of ASCII without spaces"), "", "empty: it takes them without")
    secret_file: Path | None = key(OPTIONAL_PATH, "", "file with that user's password, mode 0600")
