"""Each way to the mail store: reachable, trustworthy, and not a way around the guard."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import LoginForm, MailProtocol
from mailguard.backends.failure import BackendFailure
from mailguard.backends.probe import Probe, TlsFacts, probe
from mailguard.backends.target import Target, identity_target, target
from mailguard.checks.delay import refusals
from mailguard.checks.findings import REMEDIES, Finding, fail, ok, warn
from mailguard.checks.relaying import takes_strangers_mail
from mailguard.checks.speaking import speaks
from mailguard.config import Backend, ConfigError, IdentityBackend, Login, Settings, Source
from mailguard.config.kinds import UNIX
from mailguard.net.tls import TlsError

DAY, SOON_DAYS = 86400.0, 14
_DANGERS = {
    "UNAUTHENTICATE": "a user could log out and in again behind the guard, by a bare password: switch it off there",
    "XCLIENT": "a user could become any other through the relay: take mailguard out of "
    "smtpd_authorized_xclient_hosts (Postfix) or login_trusted_networks (Dovecot submission)",
    "STARTTLS": "behind it a user could log in afresh through the relay, by a bare password: let the service speak TLS "
    "from the start, before the login, or not at all (Postfix: -o smtpd_tls_security_level=none)",
}


async def stores(
    settings: Settings, people: tuple[AccountName, ...], tell: Callable[[str], None]
) -> AsyncIterator[Finding]:
    """Every backend, then the identity question, then wrong logins wherever users' own passwords go. The master's login
    is tried for the first of `people`; `tell` hears what takes long."""
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
        tell(f"{way}")
        answer = await _answer(way)
        for finding in _of_probe(way, answer):
            yield finding
        if isinstance(answer, BackendFailure) or answer.dangers:  # nobody logs in there until that is mended
            continue
        (asked if way.form is LoginForm.OWN else masters).append(way)
        if way.protocol is MailProtocol.SUBMISSION:
            yield await _relaying(way)
        if way.form is LoginForm.MASTER:
            yield await speaks(way, people)
    async for finding in _questions(settings):
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
    ways = (*masters, *asked)
    if ways:
        tell(f"wrong passwords for names that nobody has, to {len(ways)} listeners: a minute at most")
    for found in await asyncio.gather(*(refusals(way, settings) for way in ways)):
        for finding in found:
            yield finding


async def _answer(way: Target) -> Probe | BackendFailure:
    try:
        return await probe(way)
    except BackendFailure as failure:
        return failure


def _of_probe(way: Target, answer: Probe | BackendFailure) -> Iterator[Finding]:
    if isinstance(answer, BackendFailure):
        yield fail(answer.text, REMEDIES[answer.kind])
        return
    size = f", takes messages to {answer.size // 2**20} MiB" if answer.size else ""
    over = f", {answer.tls.version}" if answer.tls is not None else ""
    listed = " ".join(sorted(answer.capabilities))
    yield ok(f"{way} answers in {answer.seconds * 1000:.0f} ms{over}{size}, greets with “{answer.greeting}”: {listed}")
    if answer.tls is not None:
        yield _certificate(way, answer.tls)
    for danger in sorted(answer.dangers):
        yield fail(f"{way} offers {danger}", _DANGERS.get(danger, "switch it off there"))
    if "PLAIN" not in answer.mechanisms:
        yield fail(f"{way} offers no AUTH PLAIN", "let it offer that over TLS (Dovecot: auth_mechanisms = plain login)")
    if way.forward_client and "ID" not in answer.capabilities:
        yield warn(
            f"{way} does not take ID: it sees every client as mailguard's own address",
            "its penalties and limits then meet everybody: raise them for that address",
        )


def _certificate(way: Target, tls: TlsFacts) -> Finding:
    left = int((tls.not_after - time.time()) // DAY)
    what = f"{way} shows a certificate for {', '.join(tls.names)}, {left} days left"
    return ok(what) if left >= SOON_DAYS else warn(what, "renew it there: once it has run out nobody gets in")


async def _relaying(way: Target) -> Finding:
    try:
        if not await takes_strangers_mail(way):
            return ok(f"{way} takes no mail from us without a login")
    except BackendFailure as failure:
        return warn(f"{failure.text} (when asked whether it relays without a login)", REMEDIES[failure.kind])
    return fail(
        f"{way} relays for us without a login: any user could send as any other",
        "give mailguard a submission service of its own with an empty mynetworks (master.cf: -o mynetworks=)",
    )


async def _questions(settings: Settings) -> AsyncIterator[Finding]:
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
        return
    there = await _sockets(asked)
    for protocol in sorted(masters):
        if there & await _sockets(masters[protocol]):
            yield warn(
                f"[identity.backend] is the relay's own listener, that of backend.{protocol}",
                "name one that the relay never uses",
            )


async def _sockets(way: Backend | IdentityBackend) -> frozenset[tuple[str, int]]:
    """Where connections end, whichever name leads there."""
    if way.host.startswith(UNIX):
        return frozenset({(way.host, 0)})
    try:
        found = await asyncio.get_running_loop().getaddrinfo(way.host, way.port, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset({(way.host, way.port)})
    return frozenset((str(address[0]), way.port) for *_, address in found)
