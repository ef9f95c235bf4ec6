"""The document that Thunderbird reads, read by Thunderbird's rules (mail/components/accountcreation/readFromXML)."""

from xml.etree import ElementTree

import pytest

from mailguard.web.discovery import autoconfig
from mailguard.web.discovery.offer import NotOffered, Offer
from tests.web.discovery.conftest import IMAP, IMAPS, SUBMISSIONS, Written

WORDS = {"en": "Help", "de": "Hilfe"}
Servers = list[tuple[str, ...]]


def read(document: bytes) -> tuple[list[str], Servers, Servers]:
    """Domains, incoming and outgoing servers, as Thunderbird takes them: what it does not know is an error here."""
    root = ElementTree.fromstring(document)
    assert (root.tag, root.get("version")) == ("clientConfig", "1.1")
    (provider,) = root
    domains = [element.text or "" for element in provider.findall("domain")]
    assert provider.get("id") in domains
    assert provider.findtext("displayName")

    def servers(tag: str, kind: str) -> Servers:
        found = provider.findall(tag)
        assert all(server.get("type") == kind for server in found)
        names = ("hostname", "port", "socketType", "authentication", "username")
        assert all([child.tag for child in server] == list(names) for server in found)
        return [tuple(server.findtext(name) or "" for name in names) for server in found]

    return domains, servers("incomingServer", "imap"), servers("outgoingServer", "smtp")


def test_both_directions_the_better_way_first(everything: Offer) -> None:
    host, rest = "mail.example.org", ("password-cleartext", "%EMAILADDRESS%")
    assert read(autoconfig.config(everything, "example.org", WORDS)) == (
        ["example.org"],
        [(host, "993", "SSL", *rest), (host, "143", "STARTTLS", *rest)],
        [(host, "465", "SSL", *rest), (host, "587", "STARTTLS", *rest)],
    )


def test_it_leads_to_the_portal_in_each_language(everything: Offer) -> None:
    documentation = ElementTree.fromstring(autoconfig.config(everything, "example.org", WORDS)).find("*/documentation")
    assert documentation is not None
    assert documentation.get("url") == everything.help_url
    assert {child.get("lang"): child.text for child in documentation} == WORDS


def test_no_password_is_told(everything: Offer) -> None:
    assert b"<password>" not in autoconfig.config(everything, "example.org", WORDS)


def test_what_configuration_says_is_escaped(written: Written) -> None:
    offer = written.offered(IMAPS, SUBMISSIONS, portal='public_url = "https://mail.example.org/?a=1&b=2"')
    assert b'url="https://mail.example.org/?a=1&amp;b=2"' in autoconfig.config(offer, "example.org", WORDS)


def test_half_of_it_is_not_told(written: Written) -> None:
    for doors in ((IMAPS, IMAP), (SUBMISSIONS,)):
        with pytest.raises(NotOffered):
            autoconfig.config(written.offered(*doors), "example.org", WORDS)
