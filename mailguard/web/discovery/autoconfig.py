"""Mozilla autoconfig: what Thunderbird, K-9, Evolution and KMail ask for when somebody types an address.

The same answer for every address, so that it says nothing about who has an account. (config-v1.1,
draft-ietf-mailmaint-autoconfig)
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from mailguard.config.choices import ProtocolName, TlsMode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailguard.web.discovery.offer import Offer, Server

MEDIA_TYPE = "text/xml; charset=utf-8"
PATHS = ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml")

_SOCKET_TYPE = {TlsMode.IMPLICIT: "SSL", TlsMode.STARTTLS: "STARTTLS"}


def config(offer: Offer, domain: str, words: Mapping[str, str]) -> bytes:
    """The document for a domain. `words`: what the portal helps with, by language.

    NotOffered without both directions: Thunderbird discards a half.
    """
    offer.best(ProtocolName.IMAP)
    offer.best(ProtocolName.SUBMISSION)
    root = Element("clientConfig", version="1.1")
    provider = SubElement(root, "emailProvider", id=domain)
    for tag in ("domain", "displayName", "displayShortName"):
        SubElement(provider, tag).text = domain
    for server in offer.of(ProtocolName.IMAP):
        _server(SubElement(provider, "incomingServer", type="imap"), server)
    for server in offer.of(ProtocolName.SUBMISSION):
        _server(SubElement(provider, "outgoingServer", type="smtp"), server)
    documentation = SubElement(provider, "documentation", url=offer.help_url)
    for language, text in words.items():
        SubElement(documentation, "descr", lang=language).text = text
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _server(element: Element, server: Server) -> None:
    SubElement(element, "hostname").text = server.host
    SubElement(element, "port").text = str(server.port)
    SubElement(element, "socketType").text = _SOCKET_TYPE[server.tls]
    # With "password-encrypted" Thunderbird refuses PLAIN, inside TLS too.
    SubElement(element, "authentication").text = "password-cleartext"
    SubElement(element, "username").text = "%EMAILADDRESS%"
