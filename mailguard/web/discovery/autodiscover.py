"""Outlook Autodiscover, plain old XML: what classic Outlook asks for when somebody types an address.

It depends on the domain of the address alone, so that it says nothing about who has an account. Thunderbird asks too,
with the typed password in an Authorization header: nobody looks at it, and nothing here ever asks for one.
([MS-OXDSCLI] §2.2.3, §2.2.4)
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from mailguard.auth.names import NameRefused, canonical
from mailguard.config.choices import ProtocolName, TlsMode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mailguard.auth.accounts import AccountName
    from mailguard.web.discovery.offer import Offer, Server
    from mailguard.web.discovery.pox import Question

MEDIA_TYPE = "text/xml; charset=utf-8"
REQUEST = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"

_ENVELOPE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_INVALID_REQUEST = "600"
_TYPES = {ProtocolName.IMAP: "IMAP", ProtocolName.SUBMISSION: "SMTP"}


def answer(offer: Offer, question: Question, now: datetime) -> bytes:
    """The settings where the address is of a domain of ours; one and the same refusal for all other questions."""
    servers = list(_implicit(offer))
    name = _name(question.address)
    ours = name is not None and name.partition("@")[2] in offer.domains
    if not ours or not servers or question.schema != REQUEST or question.wanted != RESPONSE:
        return _refusal(now)
    response = Element("Response", xmlns=RESPONSE)
    account = SubElement(response, "Account")
    SubElement(account, "AccountType").text = "email"
    SubElement(account, "Action").text = "settings"
    for server in servers:  # all under one Account: Outlook reads no second one
        _protocol(SubElement(account, "Protocol"), server, str(name))
    return _document(response)


def _implicit(offer: Offer) -> Iterator[Server]:
    """One server a protocol, with TLS from the first byte: Outlook takes SSL=on at other ports for it as well."""
    for protocol in _TYPES:
        yield from [server for server in offer.of(protocol) if server.tls is TlsMode.IMPLICIT][:1]


def _name(address: str) -> AccountName | None:
    try:
        return canonical(address, "")
    except NameRefused:
        return None


def _protocol(element: Element, server: Server, name: str) -> None:
    told = {
        "Type": _TYPES[server.protocol],
        "Server": server.host,
        "Port": str(server.port),
        "LoginName": name,
        "DomainRequired": "off",
        "SPA": "off",  # on where it is not said: then Outlook offers NTLM alone
        "SSL": "on",
        "Encryption": "SSL",
        "AuthRequired": "on",
    }
    if server.protocol is ProtocolName.SUBMISSION:
        told |= {"UsePOPAuth": "on", "SMTPLast": "off"}
    for tag, text in told.items():
        SubElement(element, tag).text = text


def _refusal(now: datetime) -> bytes:
    response = Element("Response")
    error = SubElement(response, "Error", Time=f"{now:%H:%M:%S.%f}0", Id="0")
    SubElement(error, "ErrorCode").text = _INVALID_REQUEST
    SubElement(error, "Message").text = "Invalid Request"
    SubElement(error, "DebugData")
    return _document(response)


def _document(response: Element) -> bytes:
    # The names of both spaces are written as attributes: a prefix, as the library would make it, no client expects.
    root = Element("Autodiscover", xmlns=_ENVELOPE)
    root.append(response)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document
