"""App passwords by the thousand, written as the guard writes them, without a command for each."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from bench.clients import Credential
from mailguard import keyring
from mailguard.auth.accounts import Account, AccountName, AppPassword
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.passwords import digest_app_password, generate_app_password, grouped
from mailguard.keyring import Keyring
from mailguard.store import new_id
from mailguard.store.rows import account_values, app_password_values
from mailguard.store.schema import accounts, app_passwords
from mailguard.store.seal import Seal
from tests.e2e.guard import ACTOR, DATABASE, KEYS

BATCH = 50_000  # rows a transaction
CACHE = -256 * 1024  # KiB: hashes go into their index at random, and pages that left the cache are read again


def filled(
    folder: Path, names: Iterable[str], each: int = 1, *, keep: int = 0, told: Callable[[int], None] | None = None
) -> list[Credential]:
    """Give every name an account with so many app passwords; what opens them, of the whole every `keep`-th alone where
    that is named. `told` hears how many there are."""
    ring = keyring.load(folder / KEYS, shared=True)
    credentials: list[Credential] = []
    made = 0
    with closing(sqlite3.connect(folder / DATABASE, timeout=60, isolation_level=None)) as database:
        database.execute(f"PRAGMA cache_size = {CACHE}")
        rows = _rows(ring, names, each)
        while batch := list(itertools.islice(rows, BATCH)):
            database.execute("BEGIN IMMEDIATE")
            owners = [account for _, account, _ in batch if account is not None]
            _insert(database, accounts, owners)
            _insert(database, app_passwords, [row for _, _, row in batch])
            database.execute("COMMIT")
            wanted = (kept for number, (kept, _, _) in enumerate(batch, made) if not keep or number % keep == 0)
            credentials.extend(wanted)
            made += len(batch)
            if told is not None:
                told(made)
    return credentials


def _rows(
    ring: Keyring, names: Iterable[str], each: int
) -> Iterator[tuple[Credential, dict[str, Any] | None, dict[str, Any]]]:
    seal, now = Seal(ring), time.time()
    for name in names:
        account = Account(new_id(), AccountName(name), created_at=now)
        for number in range(each):
            secret = generate_app_password()
            made = AppPassword(
                id=new_id(),
                account_id=account.id,
                label="bench",
                protocols=frozenset(MailProtocol),
                created_at=now,
                issued_by=ACTOR,
            )
            row = app_password_values(seal, made, digest_app_password(ring, secret.reveal()))
            row["last_used_at"] = now  # a first use is an event of its own, and no login after it is
            yield Credential(name, grouped(secret)), account_values(seal, account) if number == 0 else None, row


def _insert(database: sqlite3.Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        columns = list(rows[0])
        places = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})"
        database.executemany(statement, [[row[column] for column in columns] for row in rows])
