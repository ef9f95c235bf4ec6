"""Ways to the mailboxes that lead around the guard, as far as they can be seen from where the guard stands.

That a port answers here does not mean that it answers users: a firewall may tell them apart. But one that nobody needs
open is best closed for everybody.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from mailguard.checks.findings import Finding, ok, warn
from mailguard.config.kinds import within_this_machine
from mailguard.net.stream import Stream, connect

if TYPE_CHECKING:
    from mailguard.config import Settings

TIMEOUT = 3.0
WAYS: Mapping[int, str] = {
    143: "IMAP", 993: "IMAP over TLS", 110: "POP3", 995: "POP3 over TLS",
    465: "submission over TLS", 587: "submission", 4190: "ManageSieve",
}  # fmt: skip
MAIL_EXCHANGE = 25
MOST = 8192  # octets of a reply
_LAST_LINE = re.compile(rb"(?m)^\d{3} [^\n]*\n")
_AUTH = re.compile(rb"(?mi)^250[ -]AUTH\b")


async def doors(settings: Settings, ways: Mapping[int, str] = WAYS, exchange: int = MAIL_EXCHANGE) -> list[Finding]:
    """Try the ports by which mailboxes are usually reached, at the store's hosts and at the guard's own name."""
    found: list[Finding] = []
    for host in dict.fromkeys(_hosts(settings)):
        tried = [port for port in ways if port not in _expected(settings, host)]
        answers = await asyncio.gather(*(_open(host, port) for port in tried))
        ports = [port for port, answered in zip(tried, answers, strict=True) if answered]
        if ports:
            named = ", ".join(f"{port} ({ways[port]})" for port in ports)
            found.append(_around(f"{host} answers on {named}, seen from here, and mailguard uses none of these"))
        if await _takes_passwords(host, exchange):
            found.append(_around(f"{host} takes logins on port {exchange}, seen from here"))
        if not ports:
            found.append(ok(f"{host} has no other usual way to a mailbox open, seen from here"))
    return found


def _around(what: str) -> Finding:
    return warn(
        f"{what}: whoever reaches it walks around the second factor",
        "close it to all but the guard, and try from a user's place: nc -vz HOST PORT",
    )


def _hosts(settings: Settings) -> Iterator[str]:
    """A store on this machine is met by the guard's own name; loopback itself tells nothing."""
    asked = [backend.host for backend in settings.backend.values()]
    if settings.identity.backend is not None:
        asked.append(settings.identity.backend.host)
    for host in asked:
        yield settings.server.hostname if within_this_machine(host) else host


def _expected(settings: Settings, host: str) -> Collection[int]:
    """What the guard itself uses there: ways to the store; at its own name its doors."""
    used = {backend.port for backend in settings.backend.values() if backend.host == host}
    if settings.identity.backend is not None and settings.identity.backend.host == host:
        used.add(settings.identity.backend.port)
    if host == settings.server.hostname:
        used |= {int(door.address.rpartition(":")[2]) for door in settings.listen}
    return used


async def _open(host: str, port: int) -> bool:
    try:
        stream = await connect(host, port, context=None, server_hostname=None, timeout=TIMEOUT)
    except OSError:
        return False
    stream.abort()
    return True


async def _takes_passwords(host: str, port: int) -> bool:
    """Does the port for letters from outside offer a login, in clear? Behind STARTTLS it is not looked at."""
    try:
        stream = await connect(host, port, context=None, server_hostname=None, timeout=TIMEOUT)
    except OSError:
        return False
    try:
        async with asyncio.timeout(TIMEOUT):
            await _reply(stream)
            stream.write(b"EHLO mailguard.invalid\r\n")
            return _AUTH.search(await _reply(stream)) is not None
    except TimeoutError:
        return False
    finally:
        stream.abort()


async def _reply(stream: Stream) -> bytes:
    """All lines of one reply, or as much of it as comes."""
    heard = b""
    while not _LAST_LINE.search(heard) and len(heard) < MOST and (data := await stream.read()):
        heard += data
    return heard
