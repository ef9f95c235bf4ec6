"""The records, as the composition root opens them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import (
    app_passwords,
    audit,
    claims,
    copy,
    devices,
    grants,
    handouts,
    key_checks,
    migrate,
    notices,
    passkeys,
    portal_sessions,
    questions,
    revocations,
    throttle,
)
from mailguard.store.administration import Administration
from mailguard.store.audit import AuditLog
from mailguard.store.changes import Changes
from mailguard.store.crowds import Crowds
from mailguard.store.engine import Database, database_path
from mailguard.store.handouts import Handouts
from mailguard.store.history import History
from mailguard.store.ids import new_id
from mailguard.store.keys import Keys
from mailguard.store.ledger import StoreLedger
from mailguard.store.notices import Notices
from mailguard.store.probes import Probes
from mailguard.store.rechecks import Rechecks
from mailguard.store.revocations import Revocations
from mailguard.store.seal import Seal
from mailguard.store.sealer import Sealer
from mailguard.store.search import Search
from mailguard.store.signins import StoreSignIns
from mailguard.store.trail import Trail
from mailguard.store.verify import Verified, verify
from mailguard.store.watched import WatchedLogins

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.keyring import Keyring
    from mailguard.store.chain import Head


class Store(Changes):
    """One process's way to the records. Open it after the fork, close it before the loop ends."""

    def __init__(self, path: Path, keyring: Keyring, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._seal = seal = Seal(keyring)
        self._database = Database(path)
        super().__init__(administration := Administration(self._database, seal, now))
        self.notices = Notices(administration)
        self.rechecks = Rechecks(administration)
        self.keys = Keys(administration)
        self.crowds = Crowds(administration)
        self.history = History(administration)
        self.watched = WatchedLogins(administration)
        self.handouts = Handouts(administration, self.portal_sessions)
        self.search = Search(administration)
        self.trail = Trail(administration)
        self.sign_ins = StoreSignIns(self._database, seal)
        self.ledger = StoreLedger(self._database, seal)
        self.revocations = Revocations(self._database)
        self.audit = AuditLog(self._database)
        self.sealer = Sealer(self._database, seal, now, f"{os.getpid()}-{new_id()}")
        self.probes = Probes(self._database)

    @classmethod
    async def open(cls, url: str, keyring: Keyring, *, now: Callable[[], float] = time.time) -> Store:
        """Open the records, or make them. SchemaError: another version's. KeysError: the key file is not theirs, or
        lacks a generation of theirs. StoreUnavailable: they cannot be read; the text says what to do."""
        path = database_path(url)
        await asyncio.to_thread(migrate.ensure, path, now())
        store = cls(path, keyring, now)
        try:
            if not await store._database.read(lambda connection: key_checks.verify(connection, keyring)):
                await store._database.write(lambda connection: key_checks.remember(connection, keyring.newest))
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Wait for work in hand, then let go of the database."""
        await self._database.close()

    async def purge(self) -> None:
        """Forget what has had its time: marks, ended grants, unconfirmed seeds, answered challenges, and revocations
        that were followed."""
        now = self._now()

        def work(connection: Connection) -> None:
            for room in (
                throttle,
                questions,
                grants,
                devices,
                passkeys,
                app_passwords,
                revocations,
                claims,
                notices,
                portal_sessions,
                handouts,
            ):
                room.purge(connection, now)

        await self._database.write(work)

    async def verify(self, head: Head | None = None, progress: Callable[[int], None] = lambda _: None) -> Verified:
        """Check the record against its chain, and with a head that was written down elsewhere; what was found."""
        return await verify(self._database, self._seal, head, progress)

    async def damage(self) -> str:
        """What SQLite finds wrong when it reads every page; "" where nothing is."""
        query = "PRAGMA quick_check(1)"
        said = await self._database.read(lambda connection: str(connection.exec_driver_sql(query).scalar_one()))
        return "" if said == "ok" else said

    async def backup(self, file: Path, *, actor: str) -> Head:
        """Copy the records while they are in use; the head of the chain in the copy. ChangeRefused where `file` exists.

        The keys are not in the copy.
        """
        await asyncio.to_thread(copy.copy, self._path, file)
        head = await asyncio.to_thread(copy.head, file)
        row = AuditRow(Event.STORE_BACKED_UP, self._now(), actor=actor, detail=f"{file}, head {head}")
        await self._database.write(lambda connection: audit.append(connection, row))
        return head


async def upgrade(url: str, keyring: Keyring, *, actor: str, now: Callable[[], float] = time.time) -> migrate.Upgraded:
    """Bring an older database to this version's schema. KeysError: the key file is not its own; nothing was changed."""
    return await asyncio.to_thread(lambda: migrate.upgrade(database_path(url), keyring, actor=actor, now=now()))
