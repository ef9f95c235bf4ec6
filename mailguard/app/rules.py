"""Settings → what a reload replaces as a whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

from mailguard.app.naming import naming_of
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.authenticator import Authenticator
from mailguard.auth.policy import Policies, Policy, TrustedNetwork
from mailguard.auth.ports import Questions
from mailguard.backends.target import Target, identity_target, target
from mailguard.config import Login, Source, Successes, Unknown, Username
from mailguard.identity.configured import directory_of
from mailguard.identity.local import LocalIdentity
from mailguard.net.tls import SniName, server_context
from mailguard.protocols.codes import URL_MAX, Say
from mailguard.proxy.house import Rules
from mailguard.proxy.measured import MeasuredLedger

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from datetime import date

    from mailguard import config
    from mailguard.auth.ports import Clock, Ledger, Turns
    from mailguard.config import Settings
    from mailguard.keyring import Keyring
    from mailguard.observe.board import Meter
    from mailguard.store.store import Store

DAY = 24 * 3600.0

# Registered for IMAP (RFC 7301 registry); submission has none. A mismatch is not rejected by Python's ssl, but
# offering the id lets clients that insist on one through (ALPACA).
_ALPN = {MailProtocol.IMAP: ("imap",), MailProtocol.SUBMISSION: ()}


def rules_of(settings: Settings, store: Store, clock: Clock, keyring: Keyring, turns: Turns, *, meter: Meter) -> Rules:
    """Everything that turns on the configuration. Raises ConfigError, TlsError for what cannot be read."""
    targets = targets_of(settings)
    directory = directory_of(settings, clock.now)
    return Rules(
        authenticator=authenticator_of(settings, MeasuredLedger(store.ledger, meter), clock, keyring, turns),
        targets=targets,
        identity=identity_of(settings),
        source=LocalIdentity(store.passwords) if settings.identity.source is Source.LOCAL else directory,
        directory=directory,
        recheck=settings.identity.recheck,
        creates=settings.identity.unknown is Unknown.CREATE,
        failure_delay=settings.throttle.failure_delay,
        say=_words(settings),
        hostname=settings.server.hostname,
        tls={protocol: tls_of(settings, protocol) for protocol in MailProtocol},
    )


def authenticator_of(settings: Settings, ledger: Ledger, clock: Clock, keyring: Keyring, turns: Turns) -> Authenticator:
    """What decides, wherever people come in. Raises ConfigError for aliases that cannot be meant."""
    return Authenticator(
        ledger,
        clock,
        keyring,
        policies_of(settings.policy),
        naming_of(settings),
        turns,
        Questions(settings.identity.questions.count, settings.identity.questions.seconds),
        daily=settings.audit.successes is Successes.DAILY,
        seals=any(backend.login is Login.OWN for backend in settings.backend.values()),
    )


def _words(settings: Settings) -> Say:
    url = settings.portal.public_url
    return Say(url if len(url) <= URL_MAX else "", settings.portal.support)  # a host name alone may be too long


def targets_of(settings: Settings) -> dict[MailProtocol, Target]:
    """The way to the store for each protocol that has one."""
    hostname = settings.server.hostname
    return {
        protocol: target(protocol, settings.backend[protocol], hostname=hostname)
        for protocol in MailProtocol
        if protocol in settings.backend
    }


def identity_of(settings: Settings) -> Target | None:
    """The listener that is asked about users' own passwords under a master login, if there is one of its own."""
    asked = settings.identity.backend
    if asked is None:
        return None
    imap = settings.backend.get(MailProtocol.IMAP)
    username = imap.username if imap is not None else Username.ADDRESS
    return identity_target(asked, username, hostname=settings.server.hostname)


def asked_of(settings: Settings) -> Target:
    """The listener of the store that is asked where people sign in: with their own passwords alone, so that no master's
    secret is read."""
    asked = identity_of(settings)
    if asked is not None:
        return asked
    protocol = MailProtocol.IMAP if MailProtocol.IMAP in settings.backend else MailProtocol.SUBMISSION
    own = replace(settings.backend[protocol], login=Login.OWN)
    return target(protocol, own, hostname=settings.server.hostname)


def policies_of(policy: config.Policy) -> Policies:
    """The default policy and those of groups."""
    return Policies(_policy(policy), {name: _policy(group) for name, group in policy.group.items()})


def _policy(policy: config.Policy) -> Policy:
    return Policy(
        two_factor=policy.two_factor,
        enforce_from=None if policy.enforce_from is None else _midnight(policy.enforce_from),
        administrators=policy.administrators,
        first_enrolment=policy.first_enrolment,
        codes_in_mail_clients=policy.codes_in_mail_clients,
        window=policy.code_window,
        grant_limit=policy.grant_limit or None,
        grant_idle=policy.grant_idle,
        grant_connections=policy.grant_connections,
        trusted_networks=tuple(
            TrustedNetwork(each.network, _midnight(each.until) + DAY) for each in policy.trusted_networks
        ),
        shared_networks=policy.shared_networks,
    )


def _midnight(day: date) -> float:
    """The beginning of a day, in UTC."""
    return datetime.combine(day, time.min, UTC).timestamp()


def tls_of(settings: Settings, protocol: MailProtocol) -> ssl.SSLContext:
    """What clients of a protocol shake hands with."""
    return _context(settings, _ALPN[protocol])


def tls_of_portal(settings: Settings) -> ssl.SSLContext:
    """What browsers shake hands with."""
    return _context(settings, ("http/1.1",))


def _context(settings: Settings, alpn: Sequence[str]) -> ssl.SSLContext:
    tls = settings.tls
    return server_context(
        tls.certificate,
        tls.private_key,
        minimum=tls.minimum,
        alpn=alpn,
        names=[SniName(name.name, name.certificate, name.private_key) for name in tls.names],
    )
