"""Copies of the database, made while it is in use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from mailguard.auth.ports import StoreUnavailable
from mailguard.store.chain import START, Head
from mailguard.store.engine import sync_engine, unavailable
from mailguard.store.errors import ChangeRefused
from mailguard.store.schema import audit_state

if TYPE_CHECKING:
    from pathlib import Path


def copy(path: Path, target: Path) -> None:
    """A whole and checked copy, readable by its owner alone; ChangeRefused rather than overwrite."""
    if not path.exists():
        raise StoreUnavailable(f"there are no records in {path}")
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise ChangeRefused(f"{target} exists and is not overwritten: name another file") from None
    except OSError as error:
        raise ChangeRefused(
            f"{target} cannot be made ({error.strerror}): name a file in a folder you may write"
        ) from None
    try:
        _fill(path, target)
    except BaseException:
        target.unlink()
        raise


def _fill(path: Path, target: Path) -> None:
    engine = sync_engine(path)
    try:
        with engine.connect() as connection, closing(sqlite3.connect(target)) as there:
            here = connection.connection.driver_connection
            assert isinstance(here, sqlite3.Connection)
            here.backup(there)
            there.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
            (verdict,) = there.execute("PRAGMA quick_check").fetchone()
            if verdict != "ok":
                raise StoreUnavailable(f"the copy of {path} is damaged ({verdict}): its disk is failing")
    except sqlite3.Error as error:
        raise StoreUnavailable(f"the copy could not be written: {error}") from error
    except DBAPIError as error:
        raise unavailable(path, error) from error
    finally:
        engine.dispose()


def head(file: Path) -> Head:
    """The newest sealed row of the record in a copy."""
    engine = sync_engine(file)
    try:
        with engine.connect() as connection:
            row = connection.execute(select(audit_state.c.position, audit_state.c.head)).first()
            return START if row is None else Head(row.position, row.head)
    except DBAPIError as error:
        raise unavailable(file, error) from error
    finally:
        engine.dispose()
