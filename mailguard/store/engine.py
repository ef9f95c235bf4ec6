"""The way to the database: one connection that writes and one that reads in each process, made after the fork.

A writing transaction begins with BEGIN IMMEDIATE. A deferred one that reads first and writes later fails at once with
"database is locked" when another process wrote in between; no busy timeout applies there. Reads run outside any
transaction, so that no forgotten snapshot holds up the write-ahead log.

Work is a plain function of a connection. It runs in SQLAlchemy's greenlet, where each statement awaits the
connection's thread: several functions compose into one transaction without a word about asyncio.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from mailguard.auth.ports import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine.interfaces import DBAPIConnection

BUSY_SECONDS = 5.0

T = TypeVar("T")


def database_path(url: str) -> Path:
    """The file behind `sqlite:///path`. Every other database is refused: none is built yet."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        kind = "this address" if parsed is None else parsed.get_backend_name()
        raise StoreUnavailable(f'the records are kept in SQLite only, not {kind}: write url = "sqlite:///mailguard.db"')
    return Path(str(parsed.database))


def sync_engine(path: Path) -> Engine:
    """For migrations and copies, which run in a thread of their own."""
    return _prepared(create_engine(_url("sqlite", path), **_OPTIONS))


def async_engine(path: Path) -> AsyncEngine:
    """For everything else."""
    engine = create_async_engine(_url("sqlite+aiosqlite", path), **_OPTIONS)
    _prepared(engine.sync_engine)
    return engine


_OPTIONS = {
    "poolclass": NullPool,
    "hide_parameters": True,  # an error's text must not carry a hash or a seal
    # None: the driver begins no transaction of its own (its default begins deferred ones, at the first write).
    "connect_args": {"isolation_level": None, "timeout": BUSY_SECONDS},
}


def _url(driver: str, path: Path) -> URL:
    return URL.create(driver, database=str(path))


def _prepared(engine: Engine) -> Engine:
    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")  # what is erased must not be read in the file's unused pages
        cursor.execute("PRAGMA synchronous = FULL")  # a consumed step must survive a power cut
        cursor.close()

    return engine


@dataclass(frozen=True, slots=True)
class Undone(Generic[T]):
    """What a piece of work returns to have nothing of it happen, and yet say what came of it."""

    result: T


def transaction(connection: Connection, work: Callable[[Connection], T | Undone[T]]) -> T:
    """Run `work` as one writing transaction: all of it happens, or nothing."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        result = work(connection)
    except BaseException:
        connection.rollback()
        raise
    if isinstance(result, Undone):
        connection.rollback()
        return result.result
    connection.commit()
    return result


class Database:
    """Both connections of this process, to the one file that lay there at the first use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: tuple[int, int] | None = None
        self._engine = async_engine(path)
        self._writer = _Held(self._engine)
        self._reader = _Held(self._engine)

    async def write(self, work: Callable[[Connection], T | Undone[T]]) -> T:
        """One transaction. StoreUnavailable, or `work` returned Undone: nothing of it happened."""
        return await self._run(self._writer, lambda connection: transaction(connection, work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Statements, each of which sees the newest commit. StoreUnavailable where they cannot be read."""
        return await self._run(self._reader, work)

    async def version(self) -> tuple[int, int]:
        """Changes whenever anyone but the reader committed (PRAGMA data_version), and when the reader was reopened."""

        def read(connection: Connection) -> int:
            return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())

        changes = await self.read(read)
        return self._reader.opened, changes

    async def _run(self, held: _Held, work: Callable[[Connection], T]) -> T:
        self._demand_same_file()
        try:
            # Shielded: a caller that is cancelled in mid-statement (its client hung up) must neither break the
            # connection for everyone else nor leave its transaction half done.
            return await asyncio.shield(held.run(work))
        except DBAPIError as error:
            if isinstance(error, IntegrityError):
                raise
            raise unavailable(self._path, error) from error

    def _demand_same_file(self) -> None:
        """SQLite goes on in a file that was removed: revocations would be written elsewhere and never seen. And a new
        one in its place knows nobody's authenticator: bare passwords would pass."""
        try:
            found = os.stat(self._path)
        except OSError as error:
            why = f"it cannot be found ({error.strerror}): put it back"
            raise StoreUnavailable(f"the records in {self._path} are not available: {why}") from None
        file = (found.st_dev, found.st_ino)
        self._file = self._file or file
        if file != self._file:
            why = "another file lies in its place since mailguard was started: restart mailguard if that is meant"
            raise StoreUnavailable(f"the records in {self._path} are not available: {why}")

    async def close(self) -> None:
        """Wait for work in hand, then close."""
        for held in (self._writer, self._reader):
            await held.close()
        await self._engine.dispose()


class _Held:
    """One connection, opened at its first use and again after it failed; one piece of work at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._lock = asyncio.Lock()
        self._connection: AsyncConnection | None = None
        self._closed = False
        self.opened = 0

    async def run(self, work: Callable[[Connection], T]) -> T:
        async with self._lock:
            if self._closed:
                raise StoreUnavailable("the records are closed: mailguard is shutting down")
            if self._connection is None:
                self._connection = await self._engine.connect()
                self.opened += 1
            try:
                return await self._connection.run_sync(work)
            except DBAPIError:
                await self._drop()
                raise

    async def close(self) -> None:
        async with self._lock:
            self._closed = True
            await self._drop()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def unavailable(path: Path, error: DBAPIError) -> StoreUnavailable:
    """What an operator should do about an error of SQLite. Never holds a value from the records."""
    cause = error.orig
    code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            what = f"another process has held its lock for {BUSY_SECONDS:.0f} s: find and end it (fuser {path})"
        case sqlite3.SQLITE_FULL:
            what = "there is no space left on its disk: free some; nothing was changed"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            what = "it cannot be written: run mailguard as the user that owns it and its folder"
        case sqlite3.SQLITE_CANTOPEN:
            what = "it cannot be opened: its folder must exist and belong to the user that runs mailguard"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            what = "it is damaged or no database of mailguard: restore it from a backup (mailguard store backup)"
        case sqlite3.SQLITE_IOERR:
            what = f"its disk failed or is full ({cause}): look at the system's log; nothing was changed"
        case _:
            what = f"SQLite says: {cause}"
    return StoreUnavailable(f"the records in {path} are not available: {what}")
