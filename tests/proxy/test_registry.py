"""Live sessions: what ends them, and that the shared list hears of each whatever happens to the records."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth.accounts import AccountName, AppPassword, KeyedHash
from mailguard.auth.attempt import Admission, Client, Factor, MailProtocol, Origin
from mailguard.auth.events import Event
from mailguard.auth.ports import StoreUnavailable
from mailguard.net.relay import End, RelayEnd
from mailguard.proxy.registry import Live, Registry
from mailguard.store import Store
from mailguard.store.revocations import Kind, Revocation
from mailguard.store.sessions import SessionRow
from tests.store.words import StoppedClock

ANN = AccountName("ann@example.org")
ADMISSION = Admission(ANN, "account-1", Factor.CODE, "grant-1", "device-1", 7)
BY_APP_PASSWORD = replace(ADMISSION, factor=Factor.APP_PASSWORD, credential="app-password-1", device="")
NOON = 1_795_521_600.0


LISTED = SessionRow(
    id="s1",
    account=ANN,
    protocol=MailProtocol.IMAP,
    address="192.0.2.7",
    port=4000,
    pid=4711,
    factor=Factor.CODE,
    credential="grant-1",
    device="device-1",
    grant="grant-1",
    client="",
    started_at=NOON,
    seen_at=NOON,
)


class Sockets:
    """What a session would cut."""

    def __init__(self) -> None:
        self.cuts = 0

    def abort(self) -> None:
        self.cuts += 1


def session(registry: Registry, name: str = "s1", admission: Admission = ADMISSION) -> tuple[Live, Sockets]:
    sockets = Sockets()
    live = Live(name, admission, MailProtocol.IMAP, Origin.of("192.0.2.7", 4000), NOON, sockets.abort)
    registry.register(live)
    return live, sockets


@pytest.fixture
def registry() -> Registry:
    return Registry(4711, lambda: NOON + 61)


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (Kind.ACCOUNT, "account-1"),
        (Kind.GRANT, "grant-1"),
        (Kind.DEVICE, "device-1"),
        (Kind.PASSWORD, "account-1"),
        (Kind.SESSION, "s1"),
        (Kind.ALL, ""),
    ],
)
def test_a_session_ends_with_what_it_stands_on_and_with_nothing_else(
    registry: Registry, kind: Kind, target: str
) -> None:
    live, sockets = session(registry)
    other = replace(ADMISSION, account_id="account-2", credential="grant-2", device="device-2")
    bystander, spared = session(registry, "s2", other)
    assert registry.apply([Revocation(1, NOON, kind, f"not {target}")] if target else []) == 0
    again = [Revocation(2, NOON, kind, target), Revocation(3, NOON, kind, target)]
    assert registry.apply(again) == (2 if kind is Kind.ALL else 1)
    assert (live.ended, sockets.cuts) == ("revoked", 1)
    assert (bystander.ended, spared.cuts) == (("revoked", 1) if kind is Kind.ALL else ("", 0))
    assert registry.apply(again) == 0


@pytest.mark.parametrize(
    ("bound", "client", "ended"),
    [
        ("Thunderbird", Client("Thunderbird", "141"), ""),
        ("Thunderbird", Client("curl", "8.5"), "client-lock"),
        ("Thunderbird", Client(), ""),
        ("", Client("curl"), ""),
    ],
)
def test_a_name_that_an_app_password_is_bound_against_ends_the_session_at_once(
    registry: Registry, bound: str, client: Client, ended: str
) -> None:
    admission = replace(ADMISSION, factor=Factor.APP_PASSWORD, client_lock=True, client_bound=bound)
    live, sockets = session(registry, admission=admission)
    registry.name("s1", client)
    assert (live.ended, sockets.cuts) == (ended, int(bool(ended)))


async def test_a_lock_bound_by_another_session_meanwhile_ends_this_one_too(registry: Registry, tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", keyring.create(tmp_path / "keys.toml"))
    account = await store.accounts.add(ANN, actor="operator:root")
    made = AppPassword("p1", account.id, "laptop", frozenset({MailProtocol.IMAP}), created_at=NOON, client_lock=True)
    await store.app_passwords.issue(ANN, made, KeyedHash("g1", b"hash"), actor="operator:root")
    admission = replace(ADMISSION, factor=Factor.APP_PASSWORD, credential="p1", client_lock=True)
    first, _ = session(registry, "s1", admission)
    second, _ = session(registry, "s2", admission)
    third, _ = session(registry, "s3", admission)
    registry.name("s1", Client("Thunderbird"))
    registry.name("s2", Client("curl"))
    registry.closed(third, "client-closed", RelayEnd(End.CLIENT_CLOSED, 11, 22))
    await registry.flush(store.sessions)
    assert (first.ended, second.ended) == ("", "client-lock")
    told = [(r.row.event, r.row.session) for r in await store.audit.list(ANN)]
    assert [each for each in told if each[1]] == [
        (Event.CLIENT_BOUND, "s1"),
        (Event.CLIENT_REFUSED, "s2"),
        (Event.CLIENT_UNNAMED, "s3"),
        (Event.SESSION_ENDED, "s3"),
    ]
    await store.close()


def test_a_session_that_never_got_through_owes_no_name(registry: Registry) -> None:
    live, _ = session(registry, admission=replace(ADMISSION, factor=Factor.APP_PASSWORD, client_lock=True))
    registry.closed(live, "revoked", None)
    assert not live.heard


async def test_the_shared_list_hears_of_each_session(registry: Registry, tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", keyring.create(tmp_path / "keys.toml"))
    live, _ = session(registry, admission=BY_APP_PASSWORD)
    await registry.flush(store.sessions)
    registry.name("s1", Client("Thunderbird", "128"))
    registry.name("gone", Client("nobody"))
    await registry.flush(store.sessions)
    (row,) = await store.sessions.list()
    assert (row.id, row.credential, row.grant, row.client, row.pid) == (
        "s1",
        "app-password-1",
        "",
        "Thunderbird 128",
        4711,
    )
    registry.closed(live, "client-closed", RelayEnd(End.CLIENT_CLOSED, 11, 22))
    registry.closed(live, "twice", None)
    await registry.flush(store.sessions)
    assert await store.sessions.list() == ()
    (ended,) = await store.audit.list(account=ANN)
    assert (ended.row.reason, ended.row.client) == ("client-closed", "Thunderbird 128")
    assert ended.row.detail == "after 61 s, 11 octets to the store, 22 to the client"
    await store.close()


async def test_a_session_of_a_grant_is_listed_by_its_login_and_tells_how_long_it_is_silent(tmp_path: Path) -> None:
    clock = StoppedClock()
    store = await Store.open(
        f"sqlite:///{tmp_path / 'mailguard.db'}", keyring.create(tmp_path / "keys.toml"), now=clock
    )
    registry = Registry(4711, clock)
    for name in ("s1", "s2"):
        await store.sessions.opened([replace(LISTED, id=name, grant="grant-1")])
    first, _ = session(registry, "s1")
    second, _ = session(registry, "s2")
    session(registry, "s3", BY_APP_PASSWORD)
    clock.at += 100
    first.silence, second.silence = (lambda: 10.0), (lambda: 70.0)
    await registry.tell_silence(store.sessions)
    assert [(row.id, row.seen_at) for row in await store.sessions.list()] == [("s1", NOON + 90), ("s2", NOON + 30)]
    await store.revocations.changed()
    clock.at += 1
    first.silence, second.silence = (lambda: 10.9), (lambda: 71.0)
    await registry.tell_silence(store.sessions)
    assert not await store.revocations.changed(), "nothing moved since that is worth a write"
    registry.closed(first, "client-closed", None)
    clock.at += 130
    await registry.forget_strays(store.sessions)
    assert [row.id for row in await store.sessions.list()] == ["s2"]
    await store.close()


async def test_what_could_not_be_written_waits(registry: Registry, tmp_path: Path) -> None:
    ring = keyring.create(tmp_path / "keys.toml")
    url = f"sqlite:///{tmp_path / 'mailguard.db'}"
    shut = await Store.open(url, ring)
    await shut.close()
    first, _ = session(registry, "s1", BY_APP_PASSWORD)
    with pytest.raises(StoreUnavailable):
        await registry.flush(shut.sessions)
    session(registry, "s2", BY_APP_PASSWORD)
    registry.name("s2", Client("Thunderbird"))
    registry.closed(first, "client-closed", None)
    with pytest.raises(StoreUnavailable):
        await registry.flush(shut.sessions)
    store = await Store.open(url, ring)
    await registry.flush(store.sessions)
    assert [(row.id, row.client) for row in await store.sessions.list()] == [("s2", "Thunderbird")]
    assert [entry.row.session for entry in await store.audit.list() if entry.row.session] == ["s1"]
    await store.close()


def test_the_end_of_a_drain_ends_what_is_left(registry: Registry) -> None:
    live, sockets = session(registry)
    registry.end_all("shutdown")
    assert (live.ended, sockets.cuts, len(registry)) == ("shutdown", 1, 1)
    registry.closed(live, "aborted", None)
    assert len(registry) == 0


async def test_whoever_comes_and_goes_while_the_list_is_written_is_not_left_on_it(
    registry: Registry, tmp_path: Path
) -> None:
    store = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", keyring.create(tmp_path / "keys.toml"))
    session(registry, "early", BY_APP_PASSWORD)

    async def meanwhile() -> None:
        hasty, _ = session(registry, "hasty", BY_APP_PASSWORD)
        registry.closed(hasty, "client-closed", None)

    await asyncio.gather(registry.flush(store.sessions), meanwhile())
    await registry.flush(store.sessions)
    assert [row.id for row in await store.sessions.list()] == ["early"]
    assert [entry.row.session for entry in await store.audit.list() if entry.row.session] == ["hasty"]
    await store.close()
