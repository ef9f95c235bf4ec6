"""The configuration, one frozen dataclass a table. Every key is declared once: kind, default, comment, state.

The reader, its error messages, the example file and `config show` are all made from these declarations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from mailguard.config import kinds
from mailguard.config.choices import AuditStream, LogFormat, Successes
from mailguard.config.connections import Backend, Identity, Listen, Networks, NotifyRelay, Server, Tls
from mailguard.config.key import Key, key, keys_of, lines_of
from mailguard.config.kinds import MAILBOX, NETWORKS, PATH, USER
from mailguard.config.rules import Names, Policy, Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Where mailguard keeps its own records."""

    url: str = key(kinds.STORE_URL, "sqlite:///mailguard.db", "sqlite:///FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The key file, outside the database."""

    file: Path = key(
        PATH, "keys.toml", "mode 0600; generations, newest first; best kept away from the database and its backups"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """The pages where people and administrators look after accounts."""

    address: str = key(
        kinds.OPTIONAL_ADDRESS, "127.0.0.1:8443", 'TLS; "0.0.0.0:443" to face users directly; "none": no portal'
    )
    public_url: str = key(
        kinds.WEB_ADDRESS,
        "",
        "what people type, named in refusals; passkeys are bound to it; empty: https:// and server.hostname",
        example="https://mail.example.org",
    )
    domains: tuple[str, ...] = key(
        kinds.DOMAINS, [], "mail domains whose mail programs are told how to connect; empty: names.domain"
    )
    proxy_from: Networks = key(NETWORKS, [], "forwarders whose X-Forwarded-For is believed")
    support: str = key(kinds.ONE_LINE, "", "whom to ask, named in refusals")
    user: str = key(
        USER,
        "",
        "the portal runs as this user, who shares a group with server.user; needs root, or a service of its own",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The record."""

    retention: float | None = key(
        kinds.optional_duration("1d", "36500d"),
        "365d",
        'older rows are deleted; six years: "2190d"; empty: kept for ever',
    )
    successes: Successes = key(
        kinds.choice(Successes),
        "each",
        "each | daily: one row a day for further logins of one app password from one network",
    )
    stream: AuditStream = key(
        kinds.choice(AuditStream), "none", "none | stdout | syslog: each row as a line of JSON as well"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Letters to users about what happens to their accounts."""

    sender: str = key(
        MAILBOX,
        "",
        'sender; a mailbox of your store where [backend.submission] has login = "master"; empty: no letters',
        name="from",
        example="security@example.org",
    )
    organisation: str = key(MAILBOX, "", "address told where an account has no second one")
    relay: NotifyRelay | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What operators see."""

    metrics: str = key(
        kinds.OPTIONAL_ADDRESS,
        "127.0.0.1:9464",
        'for Prometheus, in clear: /metrics, /healthz, /readyz; "none": nothing listens',
    )
    log: LogFormat = key(kinds.choice(LogFormat), "json", "json | text, on standard error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file. `backend` and `policy.group` are keyed by name; `file` is where it was read from."""

    server: Server = field(default_factory=Server)
    tls: Tls = field(default_factory=Tls)
    listen: tuple[Listen, ...] = ()
    store: Records = field(default_factory=Records)
    keys: Keys = field(default_factory=Keys)
    names: Names = field(default_factory=Names)
    identity: Identity = field(default_factory=Identity)
    backend: Mapping[str, Backend] = field(default_factory=lambda: MappingProxyType({}))
    policy: Policy = field(default_factory=Policy)
    throttle: Throttle = field(default_factory=Throttle)
    portal: Portal = field(default_factory=Portal)
    audit: Audit = field(default_factory=Audit)
    notify: Notify = field(default_factory=Notify)
    observe: Observe = field(default_factory=Observe)
    file: Path = Path("config.toml")

    def lines(self) -> Iterator[tuple[str, str, Key[object]]]:
        """Every key: full name, value in TOML, declaration."""
        for prefix, table in self._tables():
            yield from lines_of(table, prefix)

    @property
    def keys_shared(self) -> bool:
        """May a group read the key file? Only where the portal runs as a user of its own."""
        return bool(self.portal.address and self.portal.user)

    def secret_files(self) -> Iterator[tuple[str, Path]]:
        """The files that hold one secret each, by the keys that name them."""
        for prefix, table in self._tables():
            for field_name, declared in keys_of(type(table)):
                file = getattr(table, field_name)
                if declared.name.endswith("secret_file") and file is not None:
                    yield f"{prefix}.{declared.name}", file

    def _tables(self) -> Iterator[tuple[str, object]]:
        yield from (("server", self.server), ("tls", self.tls))
        yield from ((f"listen[{number}]", listen) for number, listen in enumerate(self.listen, 1))
        yield from (("store", self.store), ("keys", self.keys), ("names", self.names), ("identity", self.identity))
        if self.identity.backend is not None:
            yield "identity.backend", self.identity.backend
        if self.identity.ldap is not None:
            yield "identity.ldap", self.identity.ldap
        yield from ((f"backend.{name}", backend) for name, backend in self.backend.items())
        yield "policy", self.policy
        yield from ((f"policy.group.{name}", policy) for name, policy in self.policy.group.items())
        yield from (("throttle", self.throttle), ("portal", self.portal), ("audit", self.audit))
        yield "notify", self.notify
        if self.notify.relay is not None:
            yield "notify.relay", self.notify.relay
        yield "observe", self.observe

    def unacted(self) -> tuple[str, ...]:
        """What this version accepts and does not act on yet, and what that means. For the start and `check`."""
        return tuple(
            f"{name} = {value}: {declared.waits}"
            for name, value, declared in self.lines()
            if declared.waits and not name.startswith("policy.group.") and value not in _OFF
        )


_OFF = ('"0"', '"none"')  # to switch off a feature that is not there needs nothing built
