"""The demo's account, made as the commands make one: authenticator enrolled and confirmed, app password issued."""

from __future__ import annotations

import time

from mailguard import config
from mailguard.auth import totp, vault
from mailguard.auth.accounts import AppPassword
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.names import canonical
from mailguard.auth.passwords import digest_app_password, generate_app_password, grouped
from mailguard.demo.folder import Folder
from mailguard.demo.sheet import Access
from mailguard.store import Store, new_id

_ACTOR = "operator:demo"
_ISSUER = "mailguard demo"


async def enrol(address: str, password: str, folder: Folder) -> Access:
    """Create the records and, in them, the account with all that it needs to get in."""
    settings = config.load(folder.configuration)
    store = await Store.open(settings.store.url, folder.keyring)
    try:
        name = canonical(address, settings.names.domain)
        account = await store.accounts.add(name, actor=_ACTOR)
        seed = totp.new_seed()
        device = await store.devices.enrol(name, "demo", seed, actor=_ACTOR)
        now = time.time()
        # By the code before the current one, as if typed at the last moment: the current one is still good to log in.
        await store.devices.confirm(device.id, int(now) // device.period - 1, actor=_ACTOR)
        secret, row_id = generate_app_password(), new_id()
        made = AppPassword(
            id=row_id,
            account_id=account.id,
            label="demo",
            protocols=frozenset(MailProtocol),
            created_at=now,
            issued_by=_ACTOR,
            seen_by_operator=True,
            public=vault.public_half(secret, row_id),
        )
        await store.app_passwords.issue(name, made, digest_app_password(folder.keyring, secret.reveal()), actor=_ACTOR)
    finally:
        await store.close()
    link = totp.provisioning_uri(device, name, _ISSUER)
    return Access(name, password, seed.reveal().decode(), link, grouped(secret))
