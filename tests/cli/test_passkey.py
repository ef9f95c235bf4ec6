"""Passkeys on the command line: seen, named and removed, never added."""

import asyncio
from pathlib import Path

from mailguard import keyring
from mailguard.store import Store
from tests.cli.conftest import Installation, install
from tests.store.words import ANN, token


def added(own: Installation) -> str:
    """Ann holds a passkey, which she added at the portal."""

    async def work() -> str:
        folder = own.file.parent
        store = await Store.open(f"sqlite:///{folder / 'mailguard.db'}", keyring.load(folder / "keys.toml"))
        made = await token(store, ANN, label="laptop")
        await store.close()
        return made.id

    own.done("account", "add", "ann")
    return asyncio.run(work())


def test_passkeys_are_listed_named_and_removed(own: Installation) -> None:
    passkey = added(own)
    (row,) = own.done("passkey", "list", "ann", "--json").json
    assert (row["id"], row["label"], row["last_used"]) == (passkey, "laptop", None)
    assert "COSE" not in own.done("passkey", "list", "ann").out
    own.done("passkey", "rename", "ann", passkey, "Ann's laptop")
    assert own.done("passkey", "list", "ann", "--json").json[0]["label"] == "Ann's laptop"
    assert own.done("account", "show", "ann", "--json").json["passkeys"] == 1
    own.done("passkey", "remove", "ann", passkey, "--yes")
    assert own.done("passkey", "list", "ann", "--json").json == []
    assert "at the web pages" in own.done("passkey", "list", "ann").err


def test_what_is_not_there_is_said(own: Installation) -> None:
    own.done("account", "add", "ann")
    for verb, more in (("rename", ["x"]), ("remove", ["--yes"])):
        done = own("passkey", verb, "ann", "nothere", *more)
        assert (done.code, done.err.count("\n")) == (1, 1)
        assert "mailguard passkey list ann@example.org" in done.err


def test_with_a_passkey_a_short_password_will_do(tmp_path: Path) -> None:
    local = install(tmp_path, "master")
    local.file.write_text(local.file.read_text().replace('source = "backend"', 'source = "local"'))
    passkey, short = added(local), "quince-tart-4\n"
    assert "second factor" in local.done("account", "password", "ann", stdin=short).err
    local.done("passkey", "remove", "ann", passkey, "--yes")
    assert local("account", "password", "ann", stdin=short).code == 1
