"""App passwords by the thousand: what the bench writes is what the guard would have written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bench.records import filled
from mailguard import keyring
from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.passwords import digest_app_password
from mailguard.store import Store
from tests.e2e.guard import DATABASE, KEYS


async def test_rows_fit_their_macs_and_their_secrets(tmp_path: Path) -> None:
    keyring.create(tmp_path / KEYS)
    ring = keyring.load(tmp_path / KEYS, shared=True)
    url = f"sqlite:///{tmp_path / DATABASE}"
    await (await Store.open(url, ring)).close()
    heard: list[int] = []
    kept = filled(tmp_path, ("ann@example.org", "bob@example.org"), each=3, keep=2, told=heard.append)
    assert [each.name for each in kept] == ["ann@example.org", "ann@example.org", "bob@example.org"]
    assert heard == [6]
    store = await Store.open(url, ring)
    try:
        made = await store.app_passwords.list(AccountName("bob@example.org"))
        assert len(made) == 3
        assert all(each.protocols == frozenset(MailProtocol) and each.revoked_at is None for each in made)
        account = await store.accounts.get(AccountName("bob@example.org"))
        assert account is not None
        assert {each.account_id for each in made} == {account.id}
        digest = digest_app_password(ring, kept[2].password.replace("-", "").encode())
        with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
            found = database.execute("SELECT account_id FROM app_passwords WHERE hash = ?", (digest.digest,)).fetchone()
        assert found == (account.id,)
    finally:
        await store.close()
