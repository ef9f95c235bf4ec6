"""Are the certificates that clients are shown theirs to trust: dates, names, keys?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailguard.checks.findings import Finding, Level, fail, ok, warn
from mailguard.config import Settings
from mailguard.net.tls import TlsError, certificate_facts, server_context

SOON = timedelta(days=14)


def certificates(settings: Settings, now: float) -> Iterator[Finding]:
    """Every certificate of [tls], the one for server.hostname first."""
    tls = settings.tls
    moment = datetime.fromtimestamp(now, UTC)
    yield from _certificate(tls.certificate, tls.private_key, settings.server.hostname, tls.minimum, moment)
    for other in tls.names:
        yield from _certificate(other.certificate, other.private_key, other.name, tls.minimum, moment)


def _certificate(certificate: Path, key: Path, name: str, minimum: str, now: datetime) -> Iterator[Finding]:
    try:
        facts = certificate_facts(certificate)
        server_context(certificate, key, minimum=minimum)
    except TlsError as error:
        yield fail(f"certificate for {name}", str(error))
        return
    left = facts.not_after - now
    until = f"{certificate.name} for {name}, until {facts.not_after:%Y-%m-%d}"
    if left <= timedelta(0):
        yield fail(f"{until}: has expired", "renew it, then reload mailguard (SIGHUP)")
    elif left < SOON:
        yield warn(f"{until}: {left.days} days left", "renew it, then reload mailguard (SIGHUP)")
    elif not any(covers(pattern, name) for pattern in facts.names):
        yield fail(f"{until}: is made out to {', '.join(facts.names) or 'nobody'}", f"get one that names {name}")
    elif facts.self_signed:
        yield warn(f"{until}: is self-signed", "clients will not trust it: get one from a certificate authority")
    elif not facts.ordered:
        yield fail(
            f"{until}: the certificates behind it are not those of its issuers, in order",
            "put them in the file as your authority gave them: this one first, then who issued it, and so on",
        )
    elif facts.alone:
        yield Finding(
            Level.NOTE,
            f"{until}: there is no certificate of {facts.issuer} behind it",
            "right if clients know that authority itself; else put its intermediate certificate behind it in the file",
        )
    else:
        yield ok(until)
    if key.stat().st_mode & 0o007:
        yield fail(f"{key} may be read by everybody", f"do: chmod 0600 {key}")


def covers(pattern: str, name: str) -> bool:
    """Does a name in a certificate mean `name`? A wildcard stands for one whole label (RFC 9525 §6.3)."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    return pattern == name or (pattern.startswith("*.") and pattern[2:] == name.partition(".")[2])
