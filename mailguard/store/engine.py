"""The way to the database: one connection that writes and one that reads in each process, made after the fork.

A writing transaction begins with BEGIN IMMEDIATE. A deferred one that reads first and writes later fails at once with
"database is locked" when another process wrote in between; no busy timeout applies there. Reads run outside any
transaction, so that no forgotten snapshot holds up the write-ahead log.

Work is a plain function of a connection: several compose into one transaction without a word about asyncio. A whole
piece of work runs on the thread of its connection, so that it costs one hop there and back, however many statements it
has. What comes while that thread is busy waits for it together: all writes that wait share one transaction, and so one
fsync. None is answered before that commit; each has a savepoint of its own, so that one which fails takes nobody along.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import aiosqlite
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from mailguard.auth.ports import StoreUnavailable
from mailguard.net.tasks import Tasks
from mailguard.store.prepared import driven

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine.interfaces import DBAPIConnection

BUSY_SECONDS = 5.0
MOST_TOGETHER = 64  # pieces of work that share a commit: of logins they take some 10 ms, for which the first waits

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
    return _prepared(create_engine(URL.create("sqlite", database=str(path)), connect_args=_CONNECT, **_OPTIONS))


_OPTIONS = {
    "poolclass": NullPool,
    "hide_parameters": True,  # an error's text must not carry a hash or a seal
}
# None: the driver begins no transaction of its own (its default begins deferred ones, at the first write).
_CONNECT: dict[str, Any] = {"isolation_level": None, "timeout": BUSY_SECONDS}


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


@dataclass(frozen=True, slots=True)
class Ran(Generic[T]):
    """What came of one piece of work among several."""

    result: T = None  # type: ignore[assignment]  # where it failed
    error: BaseException | None = None

    def tell(self, answer: asyncio.Future[T]) -> None:
        """Answer whoever asked, unless they have hung up."""
        if answer.done():
            return
        if self.error is not None:
            answer.set_exception(self.error)
        else:
            answer.set_result(self.result)


def transaction(connection: Connection, work: Callable[[Connection], T | Undone[T]]) -> T:
    """Run `work` as one writing transaction: all of it happens, or nothing."""
    (ran,) = transactions(connection, [work])
    if ran.error is not None:
        raise ran.error
    return ran.result


def transactions(connection: Connection, works: Sequence[Callable[[Connection], T | Undone[T]]]) -> list[Ran[T]]:
    """Several, committed together. An error of the database itself is raised: then nothing of any of them happened."""
    _said(connection, "BEGIN IMMEDIATE")
    try:
        ran = [_within(connection, work) for work in works]
    except BaseException:
        driven(connection, sqlite3.Connection.rollback)
        raise
    driven(connection, sqlite3.Connection.commit)
    return ran


def _within(connection: Connection, work: Callable[[Connection], T | Undone[T]]) -> Ran[T]:
    _said(connection, "SAVEPOINT work")
    try:
        result = work(connection)
    except Exception as error:
        if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError):
            raise  # a full disk ends the whole transaction, whether we want it or not
        _said(connection, "ROLLBACK TO work")
        return Ran(error=error)
    if isinstance(result, Undone):
        _said(connection, "ROLLBACK TO work")
        return Ran(result.result)
    return Ran(result)


def _said(connection: Connection, text: str) -> None:
    driven(connection, lambda driver: driver.execute(text))


def _each(connection: Connection, works: Sequence[Callable[[Connection], T]]) -> list[Ran[T]]:
    """Reads, one after the other."""
    ran: list[Ran[T]] = []
    for work in works:
        try:
            ran.append(Ran(work(connection)))
        except DBAPIError:
            raise
        except Exception as error:
            ran.append(Ran(error=error))
    return ran


class Database:
    """Both connections of this process, to the one file that lay there at the first use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: tuple[int, int] | None = None
        self._writer = _Held(path, transactions)
        self._reader = _Held(path, _each)

    async def write(self, work: Callable[[Connection], T | Undone[T]]) -> T:
        """One transaction. StoreUnavailable, or `work` returned Undone: nothing of it happened."""
        result: T = await self._run(self._writer, work)
        return result

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Statements, each of which sees the newest commit. StoreUnavailable where they cannot be read."""
        result: T = await self._run(self._reader, work)
        return result

    async def version(self) -> tuple[int, int]:
        """Changes whenever anyone but the reader committed (PRAGMA data_version), and when the reader was reopened."""

        def read(connection: Connection) -> int:
            return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())

        changes = await self.read(read)
        return self._reader.opened, changes

    async def _run(self, held: _Held, work: Callable[[Connection], Any]) -> Any:
        self._demand_same_file()
        try:
            return await held.run(work)
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


class _Held:
    """One connection, opened at its first use and again after it failed. What waits for it is run together."""

    def __init__(self, path: Path, together: Callable[[Connection, Sequence[Any]], list[Ran[Any]]]) -> None:
        self._path = path
        self._together = together
        self._waiting: list[_Asked] = []
        self._busy = False
        self._tasks = Tasks()  # one at most: it opens the connection or drops it
        self._connection: _OnThread | None = None
        self._closed = False
        self.opened = 0

    async def run(self, work: Callable[[Connection], Any]) -> Any:
        if self._closed:
            raise StoreUnavailable("the records are closed: mailguard is shutting down")
        return await self._ask(work)

    async def close(self) -> None:
        self._closed = True
        if self._busy:
            await asyncio.gather(self._ask(lambda _: None), return_exceptions=True)  # the last in the line
        await self._tasks.idle()
        await self._drop()

    def _ask(self, work: Callable[[Connection], Any]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        asked = _Asked(work, loop.create_future())
        self._waiting.append(asked)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next)  # not at once: what others ask in this turn of the loop comes along
        return asked.answer

    def _next(self) -> None:
        if self._connection is None:
            self._tasks.spawn(self._open(), name="records")
            return
        batch, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
        works = [asked.work for asked in batch]
        self._connection.run(lambda connection: self._together(connection, works), partial(self._ran, batch))

    def _ran(self, batch: Sequence[_Asked], ran: list[Ran[Any]], error: BaseException | None) -> None:
        """Back on the loop's thread."""
        if error is not None:
            self._tasks.spawn(self._fail(batch, error), name="records")
            return
        for asked, each in zip(batch, ran, strict=True):
            each.tell(asked.answer)
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting:
            self._next()
        else:
            self._busy = False

    async def _open(self) -> None:
        try:
            self._connection = await _OnThread.open(self._path)
        except Exception as error:
            batch, self._waiting = self._waiting, []
            await self._fail(batch, error)
            return
        self.opened += 1
        self._next()

    async def _fail(self, batch: Sequence[_Asked], error: BaseException) -> None:
        await self._drop()
        failed: Ran[Any] = Ran(error=error)
        for asked in batch:
            failed.tell(asked.answer)
        self._go_on()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A piece of work, and who waits for it."""

    work: Callable[[Connection], Any]
    answer: asyncio.Future[Any]


class _OnThread:
    """SQLAlchemy Core on a connection of aiosqlite, on the thread of that.

    Its public coroutines hop there and back for each statement, so it is its queue that is used, `_tx`, and the bare
    connection `_conn`, on the terms that tests/contracts pins.
    """

    def __init__(self, bare: aiosqlite.Connection, connection: Connection) -> None:
        self._bare = bare
        self._connection = connection
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(cls, path: Path) -> Self:
        bare = await aiosqlite.connect(path, **_CONNECT)
        engine = _prepared(create_engine("sqlite://", creator=lambda: bare._conn, **_OPTIONS))
        try:
            return cls(bare, await bare._execute(engine.connect))
        except BaseException:
            await bare.close()
            raise

    def run(self, work: Callable[[Connection], list[T]], ran: Callable[[list[T], BaseException | None], None]) -> None:
        """Do this there, then tell the loop: what came of it, or the error."""

        def there() -> None:
            done: tuple[list[T], BaseException | None]
            try:
                done = work(self._connection), None
            except BaseException as error:
                done = [], error
            self._loop.call_soon_threadsafe(ran, *done)

        self._bare._tx.put_nowait((None, there))

    async def close(self) -> None:
        await self._bare._execute(self._connection.close)
        await self._bare.close()


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
