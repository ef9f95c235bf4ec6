"""What administrators and owners change, one noun each, over one way to the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.store.accounts import Accounts
from mailguard.store.addresses import Addresses
from mailguard.store.api_keys import ApiKeys
from mailguard.store.app_passwords import AppPasswords
from mailguard.store.claims import Claims
from mailguard.store.codes import Codes
from mailguard.store.devices import Devices
from mailguard.store.grants import Grants
from mailguard.store.members import Members
from mailguard.store.passkeys import Passkeys
from mailguard.store.passwords import Passwords
from mailguard.store.portal_sessions import PortalSessions
from mailguard.store.sessions import Sessions
from mailguard.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from mailguard.store.administration import Administration


class Changes:
    """The nouns. Those of Store change what they are asked to; those of `checked()` ask first."""

    def __init__(self, by: Administration) -> None:
        self.by = by
        self.accounts = Accounts(by)
        self.addresses = Addresses(by)
        self.members = Members(by)
        self.devices = Devices(by)
        self.passkeys = Passkeys(by)
        self.api_keys = ApiKeys(by)
        self.app_passwords = AppPasswords(by)
        self.codes = Codes(by)
        self.claims = Claims(by)
        self.vault = Vault(by)
        self.passwords = Passwords(by)
        self.grants = Grants(by)
        self.sessions = Sessions(by)
        self.portal_sessions = PortalSessions(by)

    def checked(self, check: Callable[[Connection], None]) -> Changes:
        """The same nouns, where each change first passes a check in its own transaction."""
        return Changes(self.by.checked(check))
