"""Live sessions on the command line."""

import asyncio

from mailguard import config, keyring
from mailguard.auth.attempt import Factor, MailProtocol
from mailguard.store import Store
from mailguard.store.revocations import Kind, Revocation
from mailguard.store.sessions import SessionRow
from tests.cli.conftest import Installation

ROW = SessionRow(
    id="s1",
    account="ann@example.org",
    protocol=MailProtocol.IMAP,
    address="192.0.2.7",
    port=4711,
    pid=1,
    factor=Factor.CODE,
    credential="g1",
    device="d1",
    grant="",
    client="\x1b[31mThunderbird",
    started_at=1_790_000_000.0,
    seen_at=1_790_000_000.0,
)


async def opened(installation: Installation) -> Store:
    settings = config.load(installation.file)
    return await Store.open(settings.store.url, keyring.load(settings.keys.file))


def connect(installation: Installation, *rows: SessionRow) -> None:
    async def run() -> None:
        store = await opened(installation)
        await store.sessions.opened(rows)
        await store.close()

    asyncio.run(run())


def ended(installation: Installation) -> list[Revocation]:
    async def run() -> list[Revocation]:
        store = await opened(installation)
        rows = await store.revocations.after(0)
        await store.close()
        return rows

    return asyncio.run(run())


def test_sessions_are_listed_and_cannot_write_to_the_terminal(own: Installation) -> None:
    own.done("account", "add", "ann")
    assert own.done("session", "list").err == "no live sessions\n"
    connect(own, ROW)
    (row,) = own.done("session", "list", "ann", "--json").json
    assert (row["id"], row["address"], row["factor"]) == ("s1", "192.0.2.7", "code")
    assert row["client"] == "\x1b[31mThunderbird"
    shown = own.done("session", "list").out
    assert "\x1b" not in shown
    assert "\\x1b[31mThunderbird" in shown
    assert own.done("session", "list", "bob", "--json").json == []


def test_ending_one_or_an_accounts_or_all(own: Installation) -> None:
    own.done("account", "add", "ann")
    connect(own, ROW)
    said = own.done("session", "end", "s1").out
    assert said.startswith("session s1 ends now; ")
    assert "revoke that" in said
    own.done("session", "end", "--account", "ann")
    assert "--yes" in own("session", "end", "--all").err
    own.done("session", "end", "--all", "--yes")
    assert [row.kind for row in ended(own)] == [Kind.SESSION, Kind.ACCOUNT, Kind.ALL]


def test_what_is_to_end_must_be_named_and_there(own: Installation) -> None:
    own.done("account", "add", "ann")
    assert own("session", "end", "nothere").code == 1
    assert own("session", "end", "--account", "bob").code == 1
    assert own("session", "end").code == 2
    assert own("session", "end", "s1", "--all").code == 2
