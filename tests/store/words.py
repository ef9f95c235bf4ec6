"""Short forms of what tests say to the store."""

import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from mailguard.auth.accounts import Account, AccountName, AppPassword, KeyedHash, OneTimeCode, Passkey, TotpDevice
from mailguard.auth.attempt import Admission, Factor, MailProtocol, Origin
from mailguard.auth.entering import Entering
from mailguard.auth.events import Event
from mailguard.auth.passkeys import NewPasskey, PasskeyUse
from mailguard.auth.ports import (
    Allowance,
    AuditRow,
    Bucket,
    Counts,
    Entry,
    Reservation,
    Reserved,
    Stake,
    Winning,
)
from mailguard.auth.standing import Site
from mailguard.keyring import Keyring, Purpose
from mailguard.secret import Secret
from mailguard.store import Store, new_id
from mailguard.store.prepared import driven

ANN = AccountName("ann@example.org")
BOB = AccountName("bob@example.org")
OPERATOR = "operator:root"
SEED = Secret(b"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
OTHER_SEED = Secret(b"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
HOME = Origin.of("192.0.2.7", 40001)
ELSEWHERE = Origin.of("198.51.100.9", 40002)
NOON = 1_795_521_600.0


@dataclass
class StoppedClock:
    """Time that passes only when told."""

    at: float = NOON

    def __call__(self) -> float:
        return self.at


@asynccontextmanager
async def traced(store: Store) -> AsyncIterator[list[str]]:
    """Every statement that is written or read meanwhile, as SQLite runs it."""
    statements: list[str] = []
    kept: list[str] = []
    ways = (store._database.write, store._database.read)

    def trace(note: Callable[[str], object] | None) -> Callable[[Connection], None]:
        return lambda connection: driven(connection, lambda driver: driver.set_trace_callback(note))

    for way in ways:
        await way(trace(statements.append))
    statements.clear()
    yield kept
    kept += statements
    for way in ways:
        await way(trace(None))


def digest(keys: Keyring, purpose: Purpose, text: str) -> KeyedHash:
    return KeyedHash(keys.newest.id, keys.digest(purpose, text.encode()))


async def phone(store: Store, name: AccountName = ANN, *, step: int = 100, seed: Secret = SEED) -> TotpDevice:
    """A confirmed authenticator whose steps up to `step` are consumed."""
    device = await store.devices.enrol(name, "phone", seed, actor=OPERATOR)
    await store.devices.confirm(device.id, step, actor=OPERATOR)
    return device


async def app_password(
    store: Store, keys: Keyring, account: Account, text: str = "k7mq-2xwd", **changes: Any
) -> AppPassword:
    """An app password for IMAP, issued."""
    values: dict[str, Any] = {
        "id": new_id(),
        "account_id": account.id,
        "label": "laptop",
        "protocols": frozenset({MailProtocol.IMAP}),
        "created_at": NOON,
        "issued_by": OPERATOR,
        **changes,
    }
    row = AppPassword(**values)
    await store.app_passwords.issue(account.name, row, digest(keys, Purpose.APP_PASSWORD, text), actor=OPERATOR)
    return row


def granted(name: AccountName = ANN, at: float = NOON, origin: Origin = HOME, **more: Any) -> AuditRow:
    said = {"session": f"mg-{new_id()}", **more}
    return AuditRow(Event.LOGIN_GRANTED, at, account=name, origin=origin, protocol=MailProtocol.IMAP, **said)


def refused(name: str = ANN, at: float = NOON, origin: Origin = HOME, reason: str = "wrong-password") -> AuditRow:
    return AuditRow(Event.LOGIN_REFUSED, at, account=name, origin=origin, protocol=MailProtocol.IMAP, reason=reason)


def by_code(
    keys: Keyring,
    device: TotpDevice,
    step: int,
    *,
    text: str = "secret123456",
    origin: Origin = HOME,
    at: float = NOON,
    grant: float | None = 60.0,
    idle: float = 60.0,
    connections: int | None = 8,
    revision: int = 0,
    stake: Stake | None = None,
) -> Entry:
    """An entry by password and code."""
    string = digest(keys, Purpose.STRING, text)
    return Entry(
        name=ANN,
        account_id=device.account_id,
        factor=Factor.CODE,
        credential="",
        device=device.id,
        revision=revision,
        audit=granted(at=at, origin=origin, factor=Factor.CODE, credential=device.id),
        stake=stake,
        winning=Winning(device.id, step, string, origin.network, None if grant is None else at + grant, idle),
        connections=connections,
    )


def by_app_password(
    row: AppPassword, *, revision: int = 0, at: float = NOON, name: AccountName = ANN, person: Account | None = None
) -> Entry:
    audit = granted(name, at, factor=Factor.APP_PASSWORD, credential=row.id, person=person.name if person else "")
    entry = Entry(name, row.account_id, Factor.APP_PASSWORD, row.id, "", revision, audit, row)
    return replace(entry, person=person.id if person else "")


def by_one_time_code(code: OneTimeCode, *, at: float = NOON) -> Entering:
    """A sign-in by password and a one-time code, of an account that has an authenticator."""
    audit = AuditRow(Event.SIGN_IN_GRANTED, at, account=ANN, origin=HOME, protocol=Site.PORTAL)
    return Entering(
        name=ANN,
        account_id=code.account_id,
        group="",
        factor=Factor.RECOVERY_CODE,
        enrolled=True,
        step=None,
        passkey=None,
        code=code,
        instead=b"",
        revision=0,
        place=None,
        audit=audit,
        stake=Stake(stakes(), Reserved.NEW),
        store_password=None,
    )


def by_passkey(use: PasskeyUse, *, at: float = NOON, revision: int = 0) -> Entering:
    """A sign-in by password and a passkey."""
    audit = AuditRow(Event.SIGN_IN_GRANTED, at, account=ANN, origin=HOME, protocol=Site.PORTAL)
    return Entering(
        name=ANN,
        account_id=use.passkey.account_id,
        group="",
        factor=Factor.PASSKEY,
        enrolled=True,
        step=None,
        passkey=use,
        code=None,
        instead=b"",
        revision=revision,
        place=None,
        audit=audit,
        stake=Stake(stakes(), Reserved.NEW),
        store_password=None,
    )


async def token(store: Store, name: AccountName = ANN, *, count: int = 0, label: str = "token") -> Passkey:
    """A passkey that has been used so often."""
    made = NewPasskey(os.urandom(16), b"COSE", count, os.urandom(32))
    return await store.passkeys.add(name, label, made, actor=OPERATOR)


def bare(account_id: str | None, *, name: AccountName = ANN, revision: int = 0) -> Entry:
    return Entry(name, account_id, Factor.PASSWORD, "", "", revision, granted(name, factor=Factor.PASSWORD))


def stakes(mark: bytes = b"aaa", *, pair: bytes = b"pair", limit: int = 3, owner: bytes = b"ann") -> Reservation:
    """One secret staked in a pair bucket that a login resets, and in a network bucket that none does."""
    buckets = (
        Bucket(Counts.PAIR, pair, Allowance(limit, leak=3600.0, resets=True)),
        Bucket(Counts.NETWORK, b"network", Allowance(50, leak=3600.0)),
    )
    return Reservation(owner, mark, buckets, b"codes " + pair)


def admitted(outcome: object) -> Admission:
    assert isinstance(outcome, Admission), outcome
    return outcome


def came(database: Path, address: str, accounts: int, at: float) -> None:
    """So many accounts were granted from one private address."""
    for number in range(accounts):
        key = f"{address} {number}".encode()
        sql(database, "INSERT OR REPLACE INTO known_networks VALUES (?, ?, ?, ?)", key, key, at, address)


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file may be written beyond this size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder: Path) -> set[str]:
    """What lies in a folder."""
    return {path.name for path in folder.iterdir()}


def content(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


def sql(database: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    """What somebody with the file in his hands does to it."""
    connection = sqlite3.connect(database)
    try:
        with connection:
            return connection.execute(statement, values).fetchall()
    finally:
        connection.close()
