"""What mail programs are told of the settings."""

import pytest

from mailguard.config import ProtocolName, TlsMode
from mailguard.web.discovery.offer import NotOffered, Offer, Server, discovery_hosts
from tests.web.discovery.conftest import IMAP, IMAPS, SUBMISSIONS, Written


def test_tls_from_the_first_byte_stands_first(everything: Offer) -> None:
    assert everything.of(ProtocolName.IMAP) == (
        Server(ProtocolName.IMAP, "mail.example.org", 993, TlsMode.IMPLICIT),
        Server(ProtocolName.IMAP, "mail.example.org", 143, TlsMode.STARTTLS),
    )
    assert everything.best(ProtocolName.SUBMISSION).port == 465


def test_a_door_on_loopback_is_not_told(written: Written) -> None:
    offer = written.offered(("imap", "127.0.0.1:993", "implicit"), IMAP, ("submission", "[::1]:465", "implicit"))
    assert [server.port for server in offer.servers] == [143]
    with pytest.raises(NotOffered, match=r'write \[\[listen\]\] with protocol = "submission"'):
        offer.best(ProtocolName.SUBMISSION)


def test_on_one_machine_loopback_is_all_there_is(written: Written) -> None:
    offer = written.offered(("imap", "127.0.0.1:1993", "implicit"), ("submission", "[::1]:1465", "implicit"))
    assert [server.port for server in offer.servers] == [1993, 1465]


def test_two_sockets_of_one_port_are_one_server(written: Written) -> None:
    offer = written.offered(("imap", "192.0.2.1:993", "implicit"), ("imap", "[2001:db8::1]:993", "implicit"))
    assert len(offer.servers) == 1


def test_the_domain_is_that_of_names_unless_the_portal_has_its_own(written: Written) -> None:
    assert written.offered(IMAPS, domain="Example.ORG").domains == ("example.org",)
    assert written.offered(IMAPS, portal='domains = ["B.example", "a.example", "b.example"]').domains == (
        "b.example",
        "a.example",
    )
    assert written.offered(IMAPS, domain="").domains == ()


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("autoconfig.a.example", "a.example"),
        ("AutoDiscover.A.example.", "a.example"),
        ("a.example", "a.example"),
        ("mail.example.org", "b.example"),
        ("autoconfig.elsewhere.example", "b.example"),
        ("", "b.example"),
    ],
)
def test_a_host_means_a_domain_of_ours(written: Written, host: str, domain: str) -> None:
    offer = written.offered(IMAPS, portal='domains = ["b.example", "a.example"]')
    assert offer.domain_at(host) == domain


def test_without_a_domain_no_host_means_any(written: Written) -> None:
    assert written.offered(IMAPS, domain="").domain_at("autoconfig.example.org") is None


def test_three_hosts_a_domain_are_answered(written: Written) -> None:
    assert discovery_hosts(written(IMAPS, SUBMISSIONS)) == {
        "example.org",
        "autoconfig.example.org",
        "autodiscover.example.org",
    }
    assert discovery_hosts(written(IMAPS, domain="")) == frozenset()


def test_the_portal_is_known_by_its_public_name(written: Written) -> None:
    assert written.offered(IMAPS).portal_host == "mail.example.org"
    assert written.offered(IMAPS, portal='public_url = "https://Help.example.net:8443/x"').portal_host == (
        "help.example.net"
    )
