"""What store.engine relies on in private parts of aiosqlite: a function of ours runs whole on its thread."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import aiosqlite
import pytest


async def test_a_function_runs_on_the_thread_of_the_connection(tmp_path: Path) -> None:
    async with aiosqlite.connect(tmp_path / "a.db") as connection:
        assert isinstance(connection._conn, sqlite3.Connection)

        def work(number: int) -> tuple[int, int]:
            return connection._conn.execute("SELECT ?", (number,)).fetchone()[0], threading.get_ident()

        (first, thread), (second, same) = await asyncio.gather(*(connection._execute(work, n) for n in (1, 2)))
        assert (first, second) == (1, 2)
        assert thread == same != threading.get_ident()


async def test_a_function_that_nobody_waits_for_takes_its_turn(tmp_path: Path) -> None:
    async with aiosqlite.connect(tmp_path / "a.db") as connection:
        ran: list[int] = []
        connection._tx.put_nowait((None, lambda: ran.append(threading.get_ident())))
        assert [await connection._execute(threading.get_ident)] == ran


async def test_what_it_raises_arrives(tmp_path: Path) -> None:
    def work() -> None:
        raise LookupError("boom")

    async with aiosqlite.connect(tmp_path / "a.db") as connection:
        with pytest.raises(LookupError, match="boom"):
            await connection._execute(work)


async def test_its_connection_may_be_closed_twice(tmp_path: Path) -> None:
    """SQLAlchemy, whose pool holds it too, closes it first."""
    connection = await aiosqlite.connect(tmp_path / "a.db")
    await connection._execute(connection._conn.close)
    await connection.close()
