"""What mail programs are told: which servers, at which ports, for which domains. Made from the settings alone."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mailguard.config.choices import ProtocolName, TlsMode

if TYPE_CHECKING:
    from mailguard.config import Settings

# What the names begin with at which mail programs look for the settings of a domain.
PREFIXES = ("autoconfig.", "autodiscover.")


class NotOffered(Exception):
    """What was asked for cannot be told, since the settings have no such server. The text names the key."""


@dataclass(frozen=True, slots=True)
class Server:
    """A door of the guard, as mail programs reach it."""

    protocol: ProtocolName
    host: str
    port: int
    tls: TlsMode


@dataclass(frozen=True, slots=True)
class Offer:
    """Everything that may be told to anybody. Of two servers of one protocol the better one stands first."""

    servers: tuple[Server, ...]
    domains: tuple[str, ...]  # lower case, A-labels; whose mail this is
    help_url: str  # the portal
    support: str

    def of(self, protocol: ProtocolName) -> tuple[Server, ...]:
        """The servers of one protocol."""
        return tuple(server for server in self.servers if server.protocol is protocol)

    def best(self, protocol: ProtocolName) -> Server:
        """The one that a program with room for one is told. NotOffered without any."""
        if not (servers := self.of(protocol)):
            raise NotOffered(f'there is no door for {protocol}: write [[listen]] with protocol = "{protocol}"')
        return servers[0]

    @property
    def portal_host(self) -> str:
        """The host of the portal, as the world names it."""
        return urlsplit(self.help_url).hostname or ""

    def domain_at(self, host: str) -> str | None:
        """The domain that is meant by a request to this host, without its port: the host itself, or what follows
        `autoconfig.`; at any other host the first domain. None where no domain is known."""
        host = host.lower().rstrip(".")
        for prefix in PREFIXES:
            host = host.removeprefix(prefix)
        return host if host in self.domains else next(iter(self.domains), None)


def offer(settings: Settings) -> Offer:
    """What these settings offer.

    TLS from the first byte stands before STARTTLS (RFC 8314 §3). A door on loopback is reached by nobody outside, so
    it is left out, unless there are no others: then this is one machine, such as the demonstration.
    """
    outside = [listen for listen in settings.listen if not _loopback(listen.address)]
    doors = sorted(outside or settings.listen, key=lambda listen: listen.tls is not TlsMode.IMPLICIT)
    host = settings.server.hostname.lower()
    servers = (Server(door.protocol, host, int(door.address.rpartition(":")[2]), door.tls) for door in doors)
    domains = settings.portal.domains or ((settings.names.domain,) if settings.names.domain else ())
    return Offer(
        servers=tuple(dict.fromkeys(servers)),  # one address a door, and both lead to one name
        domains=tuple(dict.fromkeys(domain.lower() for domain in domains)),
        help_url=settings.portal.public_url,
        support=settings.portal.support,
    )


def discovery_hosts(settings: Settings) -> frozenset[str]:
    """The hosts at which the paths of this room, and they alone, are answered beside the portal's own."""
    domains = offer(settings).domains
    return frozenset((*domains, *(f"{prefix}{domain}" for domain in domains for prefix in PREFIXES)))


def _loopback(address: str) -> bool:
    return ip_address(address.rpartition(":")[0].strip("[]")).is_loopback
