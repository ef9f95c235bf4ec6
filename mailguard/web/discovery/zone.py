"""The lines of a mail domain's DNS zone by which mail programs find the guard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.config.choices import ProtocolName, TlsMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailguard.web.discovery.offer import Offer, Server

_NOT_OFFERED = "0 0 0 ."  # RFC 6186 §3.4


@dataclass(frozen=True, slots=True)
class Record:
    """One line. `name` and the names in `value` are absolute. `note`: what it is for."""

    name: str
    type: str
    value: str
    note: str

    def line(self) -> str:
        """As it stands in a zone file (RFC 1035 §5.1)."""
        return f"{self.name} IN {self.type} {self.value}"


def zone(offer: Offer, domain: str) -> tuple[Record, ...]:
    """All lines for one domain. What is not offered is said too, so that no program guesses at other ports."""
    return (*_services(offer, domain), *_web(offer, domain))


def _services(offer: Offer, domain: str) -> Iterator[Record]:
    imap, submission = offer.of(ProtocolName.IMAP), offer.of(ProtocolName.SUBMISSION)
    for service, servers, tls, priority, what in (
        ("imaps", imap, TlsMode.IMPLICIT, 0, "IMAP, TLS from the first byte"),
        ("imap", imap, TlsMode.STARTTLS, 10, "IMAP with STARTTLS"),
        ("submissions", submission, TlsMode.IMPLICIT, 0, "sending, TLS from the first byte"),
        ("submission", submission, TlsMode.STARTTLS, 10, "sending with STARTTLS"),
        ("pop3s", (), TlsMode.IMPLICIT, 0, "POP3"),
        ("pop3", (), TlsMode.STARTTLS, 0, "POP3"),
    ):
        found = [server for server in servers if server.tls is tls][:1]
        value = _srv(found[0], priority) if found else _NOT_OFFERED
        yield Record(f"_{service}._tcp.{domain}.", "SRV", value, what if found else f"{what}: not offered")


def _srv(server: Server, priority: int) -> str:
    return f"{priority} 1 {server.port} {server.host}."


def _web(offer: Offer, domain: str) -> Iterator[Record]:
    portal = offer.portal_host
    for label, who in (("autoconfig", "Thunderbird and others"), ("autodiscover", "classic Outlook")):
        name = f"{label}.{domain}"
        note = f"{who}; the portal's certificate must name {name}, its port be 443"
        yield Record(f"{name}.", "CNAME", f"{portal}.", note)
    note = f"classic Outlook, in place of the line above if no certificate names autodiscover.{domain}"
    yield Record(f"_autodiscover._tcp.{domain}.", "SRV", f"0 1 443 {portal}.", note)
