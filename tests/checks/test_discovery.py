"""Names that certificates should have for mail programs."""

from __future__ import annotations

from dataclasses import replace

from mailguard import config
from mailguard.checks.discovery import discovery
from mailguard.checks.findings import Level
from mailguard.config.connections import SniCertificate
from tests.checks.conftest import Site
from tests.support.certs import Authority


def facing(site: Site, address: str) -> config.Settings:
    """The settings of a portal at this address."""
    settings = config.load(site.write())
    return replace(settings, portal=replace(settings.portal, address=address, domains=("example.org",)))


def test_a_host_that_no_certificate_names_is_a_warning(site: Site) -> None:
    (found,) = discovery(facing(site, "0.0.0.0:443"))
    assert found.level is Level.WARN
    assert found.what == "no certificate names autoconfig.example.org, where Thunderbird will look for the portal"
    site.changes["portal.public_url"] = "https://help.example.net"
    assert [each.what.split()[3] for each in discovery(facing(site, "[::]:443"))] == [
        "help.example.net,",
        "autoconfig.example.org,",
    ]


def test_any_certificate_may_name_it(site: Site, authority: Authority) -> None:
    issued = authority.issue("*.example.org", stem="wildcard")
    settings = facing(site, "0.0.0.0:443")
    further = SniCertificate(name="x.example.org", certificate=issued.certificate, private_key=issued.key)
    assert list(discovery(replace(settings, tls=replace(settings.tls, names=(further,))))) == []


def test_behind_a_forwarder_the_names_are_the_forwarders(site: Site) -> None:
    assert list(discovery(facing(site, "127.0.0.1:8443"))) == []
    assert list(discovery(facing(site, "[::1]:8443"))) == []


def test_certificates_that_cannot_be_read_name_nothing(site: Site) -> None:
    settings = facing(site, "0.0.0.0:443")
    gone = replace(settings.tls, certificate=site.folder / "gone.pem")
    assert len(list(discovery(replace(settings, tls=gone)))) == 2
