"""What the keys of the configuration must not say together."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from mailguard.config.choices import Login, ProtocolName, Source, TlsMode, TwoFactor
from mailguard.config.connections import Backend, IdentityBackend, NotifyRelay
from mailguard.config.directory import IdentityLdap
from mailguard.config.errors import ConfigError
from mailguard.config.kinds import UNIX, within_this_machine
from mailguard.config.letters import takes_letters
from mailguard.config.settings import Settings


def contradictions(settings: Settings) -> Iterator[ConfigError]:
    """Every pair of keys that cannot both be meant."""
    yield from _listeners(settings)
    for name, backend in settings.backend.items():
        yield from _way_to_store(backend, f"backend.{name}")
        yield from _login(backend, f"backend.{name}")
    yield from _names(settings)
    yield from _sources(settings)
    if settings.identity.backend is not None:
        yield from _way_to_store(settings.identity.backend, "identity.backend")
    yield from _letters(settings)
    yield from _dates(settings)
    if settings.throttle.unauthenticated_per_network > settings.throttle.unauthenticated:
        yield ConfigError(
            "throttle.unauthenticated_per_network",
            f"is more than throttle.unauthenticated; write at most {settings.throttle.unauthenticated}",
        )


def _names(settings: Settings) -> Iterator[ConfigError]:
    for name, backend in settings.backend.items():
        if not backend.username.hears_domain and not settings.names.domain:
            yield ConfigError(
                "names.domain",
                f"is empty while backend.{name}.username names no domain: the store would take ann@elsewhere for ann; "
                "write the one domain that the store serves",
            )
        if (
            backend.login is Login.MASTER
            and settings.identity.source is Source.BACKEND
            and settings.identity.backend is None
            and ProtocolName.IMAP not in settings.backend
        ):
            yield ConfigError(
                "identity.backend",
                f'is missing: with backend.{name}.login = "master" somebody must be asked about users\' passwords; '
                "write [identity.backend] with an IMAP listener of the store that takes them",
            )


def _sources(settings: Settings) -> Iterator[ConfigError]:
    identity = settings.identity
    if identity.source is Source.LOCAL:
        for name, backend in settings.backend.items():
            if backend.login is Login.OWN:
                yield ConfigError(
                    "identity.source",
                    f'"local" does not go with backend.{name}.login = "own": the store does not know these passwords; '
                    f'write login = "master" in [backend.{name}]',
                )
    if identity.ldap is not None:
        yield from _directory(settings, identity.ldap)
    elif identity.source is Source.LDAP:
        yield ConfigError("identity.ldap", 'is missing: source = "ldap" needs it; write it with url, bind and search')


def _directory(settings: Settings, ldap: IdentityLdap) -> Iterator[ConfigError]:
    if settings.identity.source is Source.LDAP and not ldap.search.hears_domain and not settings.names.domain:
        yield ConfigError(
            "names.domain",
            "is empty while identity.ldap.search looks for {local}: the directory would take ann@elsewhere for ann; "
            "write the one domain that it serves, or look for {address}",
        )
    scheme = "ldaps://" if ldap.tls is TlsMode.IMPLICIT else "ldap://"
    for url in ldap.url.split():
        if not url.startswith(scheme):
            yield ConfigError("identity.ldap.url", f'{url} does not go with tls = "{ldap.tls}"; write {scheme}HOST')
    if bool(ldap.bind) != bool(ldap.bind_secret_file):
        given, other = ("bind", "bind_secret_file") if ldap.bind else ("bind_secret_file", "bind")
        yield ConfigError(f"identity.ldap.{other}", f"is missing beside {given}; write both or neither")
    for rule in ldap.groups:
        if rule.policy not in settings.policy.group:
            yield ConfigError(
                "identity.ldap.groups", f"names the policy {rule.policy}; write [policy.group.{rule.policy}] too"
            )


def _dates(settings: Settings) -> Iterator[ConfigError]:
    """A day from which nothing is enforced is a mistake that nobody would notice until it has passed."""
    every = {"policy": settings.policy} | {f"policy.group.{name}": g for name, g in settings.policy.group.items()}
    acting = {policy.enforce_from for policy in every.values() if policy.two_factor is TwoFactor.ENFORCE}
    for table, policy in every.items():
        if policy.enforce_from is not None and policy.enforce_from not in acting:
            yield ConfigError(
                f"{table}.enforce_from",
                f'enforces nothing: two_factor is "{policy.two_factor}"; write two_factor = "enforce", which warns '
                "until then, or remove the date",
            )


def _listeners(settings: Settings) -> Iterator[ConfigError]:
    seen: dict[tuple[str, str], str] = {}
    for number, listen in enumerate(settings.listen, 1):
        key = f"listen[{number}]"
        if listen.protocol not in settings.backend:
            yield ConfigError(
                f"{key}.protocol", f"leads nowhere; write [backend.{listen.protocol}] or remove this door"
            )
        yield from _taken(seen, f"{key}.address", listen.address)
    if settings.portal.address:
        yield from _taken(seen, "portal.address", settings.portal.address)
    if settings.observe.metrics:
        yield from _taken(seen, "observe.metrics", settings.observe.metrics)


def _taken(seen: dict[tuple[str, str], str], key: str, at: str) -> Iterator[ConfigError]:
    """Whether another listens there."""
    host, _, port = at.rpartition(":")
    address = str(ip_address(host.strip("[]")))
    clash = seen.get((address, port)) or (seen.get(("::", port)) if address == "0.0.0.0" else None)  # noqa: S104
    if address == "::":
        clash = clash or seen.get(("0.0.0.0", port))  # noqa: S104
    if clash and port != "0":
        yield ConfigError(
            key, f"{at} is taken by {clash.removesuffix('.address')} already; write another port or remove one"
        )
    seen[address, port] = key


def _way_to_store(backend: Backend | IdentityBackend | NotifyRelay, key: str) -> Iterator[ConfigError]:
    """Passwords travel this way: in clear only where no network is crossed."""
    if backend.tls is TlsMode.NONE and not within_this_machine(backend.host):
        yield ConfigError(
            f"{key}.tls",
            f'"none" would send passwords to {backend.host} in clear; write tls = "implicit" or "starttls"',
        )
    if backend.host.startswith(UNIX) and backend.tls is not TlsMode.NONE:
        yield ConfigError(f"{key}.tls", 'a unix socket has no name to verify; write tls = "none"')


def _login(backend: Backend, key: str) -> Iterator[ConfigError]:
    if backend.login is not Login.MASTER:
        return
    if not backend.master_user:
        yield ConfigError(f"{key}.master_user", 'login = "master" needs it; write the master user of your store')
    if backend.master_secret_file is None:
        yield ConfigError(
            f"{key}.master_secret_file",
            'login = "master" needs it; write the name of a file (mode 0600) that holds the master\'s password',
        )


def _letters(settings: Settings) -> Iterator[ConfigError]:
    notify, relay = settings.notify, settings.notify.relay
    if relay is not None:
        yield from _way_to_store(relay, "notify.relay")
        if bool(relay.user) != (relay.secret_file is not None):
            missing = "secret_file" if relay.user else "user"
            yield ConfigError(f"notify.relay.{missing}", "is missing; write user and secret_file both, or neither")
    if not notify.sender and (notify.organisation or relay is not None):
        yield ConfigError("notify.from", "is empty, so no letters are sent; write the address that they come from")
    if notify.organisation and notify.sender and not takes_letters(settings):
        yield ConfigError(
            "notify.organisation",
            "cannot be told anything: [backend.submission] has no master login to send by; write [notify.relay]",
        )
