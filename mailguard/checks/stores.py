"""Each way to the mail store: reachable, trustworthy, and not a way around the guard."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv6Address

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import LoginForm, MailProtocol, Origin
from mailguard.backends.dial import open_leg
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.login import own
from mailguard.backends.probe import Probe, probe
from mailguard.backends.target import Caller, Target, identity_target, target
from mailguard.checks.findings import Finding, Level, fail, ok, warn
from mailguard.checks.relaying import takes_strangers_mail
from mailguard.config import ConfigError, Login, Settings, Source
from mailguard.net.tls import TlsError
from mailguard.secret import Secret
from mailguard.store import new_id

_DOCUMENTATION = int(IPv6Address("2001:db8::"))  # RFC 3849

_DANGERS = {
    "UNAUTHENTICATE": "a user could log out and in again behind the guard, by a bare password: switch it off there",
    "XCLIENT": "a user could become any other through the relay: take mailguard out of "
    "smtpd_authorized_xclient_hosts (Postfix) or login_trusted_networks (Dovecot submission)",
    "STARTTLS": "behind it a user could log in afresh through the relay, by a bare password: let the service speak TLS "
    "from the start, before the login, or not at all (Postfix: -o smtpd_tls_security_level=none)",
}
_REMEDIES = {
    FailureKind.UNREACHABLE: "see that the store runs there and lets mailguard's address in; mend host and port",
    FailureKind.TLS: "give the store a certificate with this name from an authority that is trusted, or name its "
    "authority in ca",
    FailureKind.PROTOCOL: "see that host, port and tls lead to a store of this protocol",
    FailureKind.REFUSED: "see the store's log",
    FailureKind.TEMPORARY: "see the store's log",
    FailureKind.UNSAFE: "take from the store what it must not offer mailguard",
}
_PENALTY = Finding(
    Level.NOTE,
    "whether a Dovecot that answers the submission store's SASL slows logins by address cannot be seen from here",
    "if one does, every user pays for one guesser: set unix_listener anvil-auth-penalty { mode = 0 } there",
)


async def stores(settings: Settings) -> AsyncIterator[Finding]:
    """Every backend, then the identity question, then one wrong login wherever users' own passwords go."""
    asked: list[Target] = []
    masters: list[Target] = []
    for protocol in MailProtocol:
        if protocol not in settings.backend:
            continue
        try:
            way = target(protocol, settings.backend[protocol], hostname=settings.server.hostname)
        except (ConfigError, TlsError) as error:
            yield fail(f"backend.{protocol}", str(error))
            continue
        answer = await _answer(way)
        for finding in _of_probe(way, answer):
            yield finding
        if isinstance(answer, BackendFailure) or answer.dangers:  # nobody logs in there until that is mended
            continue
        (asked if way.form is LoginForm.OWN else masters).append(way)
        if way.protocol is MailProtocol.SUBMISSION:
            yield await _relaying(way)
            yield _PENALTY
    for finding in _questions(settings):
        yield finding
    if settings.identity.backend is not None and masters and settings.identity.source is Source.BACKEND:
        try:
            way = identity_target(settings.identity.backend, masters[0].username, hostname=settings.server.hostname)
        except TlsError as error:
            yield fail("identity.backend", str(error))
            return
        answer = await _answer(way)
        for finding in _of_probe(way, answer):
            yield finding
        masters = [] if isinstance(answer, BackendFailure) or answer.dangers else [way]
    for finding in await asyncio.gather(*(_wrong_login(way, settings) for way in (*masters, *asked))):
        yield finding


async def _answer(way: Target) -> Probe | BackendFailure:
    try:
        return await probe(way)
    except BackendFailure as failure:
        return failure


def _of_probe(way: Target, answer: Probe | BackendFailure) -> Iterator[Finding]:
    if isinstance(answer, BackendFailure):
        yield fail(answer.text, _REMEDIES[answer.kind])
        return
    size = f", takes messages to {answer.size // 2**20} MiB" if answer.size else ""
    yield ok(f"{way} answers in {answer.seconds * 1000:.0f} ms{size}")
    for danger in sorted(answer.dangers):
        yield fail(f"{way} offers {danger}", _DANGERS.get(danger, "switch it off there"))
    if "PLAIN" not in answer.mechanisms:
        yield fail(f"{way} offers no AUTH PLAIN", "let it offer that over TLS (Dovecot: auth_mechanisms = plain login)")
    if way.forward_client and "ID" not in answer.capabilities:
        yield warn(
            f"{way} does not take ID: it sees every client as mailguard's own address",
            "its penalties and limits then meet everybody: raise them for that address",
        )


async def _relaying(way: Target) -> Finding:
    try:
        if not await takes_strangers_mail(way):
            return ok(f"{way} takes no mail from us without a login")
    except BackendFailure as failure:
        return warn(f"{failure.text} (when asked whether it relays without a login)", _REMEDIES[failure.kind])
    return fail(
        f"{way} relays for us without a login: any user could send as any other",
        "give mailguard a submission service of its own with an empty mynetworks (master.cf: -o mynetworks=)",
    )


def _questions(settings: Settings) -> Iterator[Finding]:
    """Under a master login the relay's own listener should take no user's password at all."""
    masters = {name: backend for name, backend in settings.backend.items() if backend.login is Login.MASTER}
    asked = settings.identity.backend
    if not masters or settings.identity.source is not Source.BACKEND:
        return
    if asked is None:
        yield warn(
            f"backend.{min(masters)} has a master login and there is no [identity.backend]: the relay's own listener "
            "is asked for users' passwords",
            "give the store a second listener for the question and name it in [identity.backend]; "
            "let the relay's take the master alone",
        )
    elif any((asked.host, asked.port) == (relay.host, relay.port) for relay in masters.values()):
        yield warn("[identity.backend] is the relay's own listener", "name one that the relay never uses")


def _nobody() -> Origin:
    """The client that a trusting store is told of: no user's address, and a new network each time. A store that
    makes an address wait longer with each failure would slow the next check down otherwise."""
    return Origin(IPv6Address(_DOCUMENTATION + secrets.randbits(32) * 2**64 + 1), 1)


async def _wrong_login(way: Target, settings: Settings) -> Finding:
    """One login by a name and a password that nobody has: is it refused, and how fast?"""
    name = AccountName(f"check-{new_id()}@{settings.names.domain or 'mailguard-probe.invalid'}")
    delay = settings.throttle.failure_delay
    started = time.monotonic()
    try:
        leg = await open_leg(way, own(way, name, Secret(new_id().encode())), Caller(_nobody(), "check"))
    except BackendFailure as failure:
        took = time.monotonic() - started
        if failure.kind is not FailureKind.REFUSED:
            return fail(f"{failure.text} (at a wrong password)", _REMEDIES[failure.kind])
        if took < delay:
            return ok(f"{way} refuses a wrong password after {took:.1f} s, within throttle.failure_delay")
        return fail(
            f"{way} takes {took:.1f} s to refuse a wrong password, longer than throttle.failure_delay ({delay:g} s): "
            "who listens to the delay hears which passwords were asked for",
            f'write failure_delay = "{math.ceil(took) + 1}s", or shorten the store\'s (Dovecot: auth_failure_delay)',
        )
    leg.abort()
    return fail(f"{way} let a made-up name in with a made-up password", "close it: it asks for no password at all")
