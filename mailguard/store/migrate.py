"""Making the database and bringing it to this version's schema. One transaction: a crash leaves the old one whole."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import String, column, inspect, select, table
from sqlalchemy.exc import DBAPIError

from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow, StoreUnavailable
from mailguard.store import audit, from_0001
from mailguard.store.engine import sync_engine, transaction, unavailable
from mailguard.store.errors import SchemaError
from mailguard.store.schema import HEAD
from mailguard.store.seal import Seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from alembic.config import Config
    from sqlalchemy import Connection, Select

    from mailguard.keyring import Keyring
    from mailguard.store.reseal import Unfit

LOCK_SECONDS = 10.0
LOCK_PAUSE = 0.02
_SHARED = 0o2070

_VERSION_TABLE = "alembic_version"
_VERSION: Select[str] = select(column("version_num", String)).select_from(table(_VERSION_TABLE))


def ensure(path: Path, now: float) -> None:
    """Make the database if there is none; SchemaError where it is of another version. Several processes may call it."""
    with _alone(path), _opened(path) as connection:
        version = _version(path, connection)
        if version is None:
            row = AuditRow(Event.STORE_CREATED, now, actor="system", detail=f"schema {HEAD}")
            _migrate(connection, row)
        elif version != HEAD:
            raise SchemaError(_of_another_version(path, version))


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The schema before and after; equal: nothing was to be done. `unfit`: rows that had been altered before."""

    before: str
    after: str
    unfit: tuple[Unfit, ...] = ()


def upgrade(path: Path, keyring: Keyring, *, actor: str, now: float) -> Upgraded:
    """Bring an older database to this version. Makes no new database. KeysError: the key file is not its own."""
    if not path.exists():
        raise SchemaError(f"{path}: there are no records to upgrade; the first command makes them in the newest form")
    with _alone(path), _opened(path) as connection:
        version = _version(path, connection)
        if version is not None and version != HEAD:
            if not _known(version):
                raise SchemaError(_of_another_version(path, version))
            detail = f"schema {version} -> {HEAD}"
            seal = Seal(keyring) if version == from_0001.REVISION else None
            unfit = _migrate(connection, AuditRow(Event.STORE_UPGRADED, now, actor=actor, detail=detail), seal)
            return Upgraded(version, HEAD, unfit)
        return Upgraded(version or HEAD, HEAD)


def alembic_config() -> Config:
    """Alembic's settings; the scripts lie in the package, so that a wheel carries them."""
    from alembic.config import Config  # 0.2 s that only a change of the schema needs to wait for

    config = Config()
    config.set_main_option("script_location", "mailguard.store:migrations")
    config.set_main_option("path_separator", "os")
    return config


def _migrate(connection: Connection, row: AuditRow, seal: Seal | None = None) -> tuple[Unfit, ...]:
    """`seal` where the rows need MACs of another form as well."""
    from alembic import command

    def work(connection: Connection) -> tuple[Unfit, ...]:
        former = None if seal is None else from_0001.examine(connection, seal)
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        audit.append(connection, row)
        if seal is None or former is None:
            return ()
        from_0001.bring(connection, seal, former)
        for unfit in former.unfit:
            audit.append(connection, unfit.alarm(row.at, row.actor))
        return former.unfit

    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    # A table is altered by copying and dropping it, which must not cascade to the rows that point at it.
    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    connection.commit()
    return transaction(connection, work)


def _version(path: Path, connection: Connection) -> str | None:
    tables = inspect(connection).get_table_names()
    if _VERSION_TABLE in tables:
        version = connection.execute(_VERSION).scalar()
        return None if version is None else str(version)
    if tables:
        raise SchemaError(f"{path} is a database of something else: name another file in [store] url")
    return None


def _of_another_version(path: Path, version: str) -> str:
    if _known(version):
        return f"{path} was written by an older mailguard (schema {version}): run `mailguard store upgrade`"
    return f"{path} was written by a newer mailguard (schema {version}): install that version, or a later one"


def _known(version: str) -> bool:
    from alembic.script import ScriptDirectory

    return version in {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time makes or changes the database. The lock is the folder's: a file would be left behind."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StoreUnavailable(
            f"the folder of the records, {path.parent}: {error.strerror}; make it, or correct it"
        ) from None
    try:
        _lock(folder, path)
        yield
    finally:
        os.close(folder)


def _lock(folder: int, path: Path) -> None:
    # Whoever may read the folder can hold its lock: a command that revokes must not wait for them for ever.
    for _ in range(round(LOCK_SECONDS / LOCK_PAUSE)):
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE)
        else:
            return
    raise StoreUnavailable(
        f"another process has held the lock of {path.parent} for {LOCK_SECONDS:.0f} s: "
        f"find and end it (fuser -v {path.parent}), and let no other user read that folder (chmod 0700)"
    )


@contextmanager
def _opened(path: Path) -> Iterator[Connection]:
    if not path.exists():
        _touch(path)
    engine = sync_engine(path)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise unavailable(path, error) from error
    finally:
        engine.dispose()


def _touch(path: Path) -> None:
    """An empty file for its owner alone, or also for the group of a folder that gives it to all files in it (setgid):
    the portal may be another user. SQLite gives its log and index the same rights."""
    try:
        shared = os.stat(path.parent).st_mode & _SHARED == _SHARED
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if shared:
                os.fchmod(descriptor, 0o660)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreUnavailable(
            f"{path} cannot be made ({error.strerror}): correct its folder's owner or rights"
        ) from None
