"""The profile that sets up Mail on iPhone, iPad and Mac: an unsigned property list.

With a password in it a profile opens a mailbox: it is made once, for a device whose app password was just made.
(Apple, Device Management: Mail, `com.apple.mail.managed`)
"""

from __future__ import annotations

import plistlib
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from mailguard.config.choices import ProtocolName

if TYPE_CHECKING:
    from mailguard.auth.accounts import AccountName
    from mailguard.secret import Secret
    from mailguard.web.discovery.offer import Offer, Server

MEDIA_TYPE = "application/x-apple-aspen-config"

_OURS = UUID("6f1c0b5e-3c0a-5f3f-9d5c-0d6f1f6a7a11")
_PASSWORD = "EmailAuthPassword"  # PLAIN or LOGIN


def apple_profile(offer: Offer, account: AccountName, label: str, app_password: Secret) -> bytes:
    """The profile of one device. A later one for the same account takes the place of the earlier one.

    Raises NotOffered without both directions. `label` is the device's name, as its owner wrote it.
    """
    password = app_password.reveal().decode()
    theirs: dict[str, object] = {
        "EmailAddress": account,
        "EmailAccountDescription": account.partition("@")[2],
        "IncomingMailServerUsername": account,
        "OutgoingMailServerUsername": account,
        "IncomingPassword": password,
    }
    return _profile(offer, theirs, of=account, named=account, label=label)


def public_profile(offer: Offer, domain: str) -> bytes:
    """The profile that holds no more than everybody is told; the device asks for address and password.

    Raises NotOffered without both directions.
    """
    return _profile(offer, {"EmailAccountDescription": domain}, of="", named=domain, label="")


def file_name(domain: str) -> str:
    """What a profile is called where it is saved. A domain holds nothing that a header or a file system minds."""
    return f"{domain}.mobileconfig"


def _profile(offer: Offer, theirs: dict[str, object], *, of: str, named: str, label: str) -> bytes:
    imap, submission = offer.best(ProtocolName.IMAP), offer.best(ProtocolName.SUBMISSION)
    mail = {
        **_payload("com.apple.mail.managed", imap.host, f"mail {of}", named),
        "EmailAccountType": "EmailTypeIMAP",
        **_way("Incoming", imap),
        **_way("Outgoing", submission),
        "OutgoingPasswordSameAsIncomingPassword": True,
        "PreventMove": False,
        "SMIMEEnabled": False,
        **theirs,
    }
    outer = _payload("Configuration", imap.host, f"profile {of}", named)
    if told := "".join(letter for letter in label if letter.isprintable()):  # XML has no form for the others
        outer["PayloadDescription"] = told
    return plistlib.dumps({**outer, "PayloadOrganization": named.rpartition("@")[2], "PayloadContent": [mail]})


def _payload(kind: str, host: str, of: str, named: str) -> dict[str, object]:
    uuid = uuid5(_OURS, f"{host} {of}")
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{'.'.join(reversed(host.split('.')))}.mailguard.{uuid}",
        "PayloadUUID": str(uuid).upper(),
        "PayloadDisplayName": named,
    }


def _way(direction: str, server: Server) -> dict[str, object]:
    return {
        f"{direction}MailServerAuthentication": _PASSWORD,
        f"{direction}MailServerHostName": server.host,
        f"{direction}MailServerPortNumber": server.port,
        f"{direction}MailServerUseSSL": True,
    }
