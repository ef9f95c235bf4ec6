"""Do the certificates name all hosts at which people and mail programs look for the portal?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

from mailguard.checks.certificates import covers
from mailguard.checks.findings import Finding, warn
from mailguard.config import Settings
from mailguard.net.tls import TlsError, certificate_facts
from mailguard.web.discovery.offer import offer


def discovery(settings: Settings) -> Iterator[Finding]:
    """Nothing where the portal listens on loopback: then a forwarder before it shows certificates of its own."""
    address = settings.portal.address
    if not address or ip_address(address.rpartition(":")[0].strip("[]")).is_loopback:
        return
    named: list[str] = []
    for file in (settings.tls.certificate, *(other.certificate for other in settings.tls.names)):
        with suppress(TlsError):  # told by whoever looks at certificates
            named += certificate_facts(file).names
    told = offer(settings)
    for host, who in (
        (told.portal_host, "people"),
        *((f"autoconfig.{domain}", "Thunderbird") for domain in told.domains),
    ):
        if not any(covers(pattern, host) for pattern in named):
            yield warn(
                f"no certificate names {host}, where {who} will look for the portal",
                "get one that names it too, in tls.certificate or tls.names; `mailguard dns` lists such names",
            )
