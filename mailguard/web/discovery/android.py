"""The QR code that sets up Thunderbird for Android: the format in which Thunderbird exports accounts, version 1.

Written after thunderbird/thunderbird-android, feature/migration/qrcode/qr-code-format.md (2025-02-06), and its reader
beside it (payload/QrCodePayloadAdapter.kt, QrCodePayloadValidator.kt); Thunderbird's own writer is
mozilla/releases-comm-central, mail/modules/QRExport.sys.mjs.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

import segno

from mailguard.config.choices import ProtocolName, TlsMode
from mailguard.web.discovery.offer import NotOffered

if TYPE_CHECKING:
    from mailguard.auth.accounts import AccountName
    from mailguard.secret import Secret
    from mailguard.web.discovery.offer import Offer, Server

_FORMAT_VERSION = 1
_ONLY_PART = [1, 1]  # SequenceNumber, SequenceEnd
_IMAP = _SMTP = 0  # IncomingProtocol, OutgoingProtocol
_CONNECTION_SECURITY = {TlsMode.STARTTLS: 2, TlsMode.IMPLICIT: 3}
_PASSWORD_CLEARTEXT = 1  # AuthenticationType: PLAIN or LOGIN, inside TLS
_LIKE_THE_ADDRESS = ""  # AccountName
_NO_NAME = ""  # DisplayName: the guard knows none


def payload(offer: Offer, account: AccountName, app_password: Secret) -> str:
    """The text of the code: one account, one identity, the password for both directions.

    Raises NotOffered without both directions, and for an address outside ASCII, which the format does not know.
    """
    if not account.isascii():
        raise NotOffered("the address has letters outside ASCII, which this format does not know: type the settings")
    password = app_password.reveal().decode()
    incoming = [_IMAP, *_way(offer.best(ProtocolName.IMAP)), account, _LIKE_THE_ADDRESS, password]
    outgoing = [_SMTP, *_way(offer.best(ProtocolName.SUBMISSION)), account, password]
    groups = [[outgoing, [account, _NO_NAME]]]
    return json.dumps([_FORMAT_VERSION, _ONLY_PART, incoming, groups], separators=(",", ":"))


def drawing(text: str) -> str:
    """A code as SVG to stand within a page, without style, black on white in the dark too: not all cameras invert.

    With the least correction of errors, as Thunderbird draws it: fewer squares are read sooner from a screen. The
    longest names there can be make 1400 octets, and the largest code holds 2953.
    """
    out = BytesIO()
    code = segno.make(text, error="l", boost_error=False, micro=False, mode="byte", encoding="utf-8")
    code.save(out, kind="svg", xmldecl=False, svgns=True, nl=False, omitsize=True, border=4, dark="#000", light="#fff")
    return out.getvalue().decode()


def _way(server: Server) -> list[object]:
    return [server.host, server.port, _CONNECTION_SECURITY[server.tls], _PASSWORD_CLEARTEXT]
