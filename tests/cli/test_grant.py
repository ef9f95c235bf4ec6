"""Grants on the command line."""

import asyncio
import time

from mailguard import config, keyring
from mailguard.auth.attempt import Admission
from mailguard.secret import Secret
from mailguard.store import Store
from tests.cli.conftest import Installation
from tests.store.words import ANN, HOME, OPERATOR, by_code


def grant(installation: Installation) -> str:
    """Ann signs in with a code; the id of her grant."""

    async def run() -> str:
        settings = config.load(installation.file)
        ring = keyring.load(settings.keys.file)
        store = await Store.open(settings.store.url, ring)
        device = await store.devices.enrol(ANN, "phone", Secret(b"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"), actor=OPERATOR)
        await store.devices.confirm(device.id, 1, actor=OPERATOR)
        admission = await store.ledger.admit(by_code(ring, device, 101, at=time.time(), idle=3600.0))
        await store.close()
        assert isinstance(admission, Admission)
        return admission.credential

    return asyncio.run(run())


def test_a_grant_is_listed_and_revoked(own: Installation) -> None:
    own.done("account", "add", "ann")
    own.done("account", "add", "bob")
    assert own.done("grant", "list").err == "no live grants\n"
    opened = grant(own)
    (row,) = own.done("grant", "list", "ann", "--json").json
    assert (row["id"], row["account"], row["networks"], row["sessions"]) == (opened, ANN, [HOME.network], 1)
    assert row["ends_unused"] is None, "its session is open"
    assert own.done("grant", "list", "bob", "--json").json == []
    assert own.done("grant", "revoke", opened).out == f"revoked {opened} of {ANN}; sessions opened with it end now\n"
    assert own.done("grant", "list", "--json").json == []
    again = own("grant", "revoke", opened)
    assert (again.code, again.err) == (1, f"there is no grant {opened}: see `mailguard grant list`\n")
    (told,) = [row for row in own.done("audit", "list", "ann", "--json").json if row["event"] == "grant-revoked"]
    assert told["credential"] == opened
    assert told["actor"].startswith("operator:")
