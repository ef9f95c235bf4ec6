"""A statement of SQLAlchemy Core, compiled once, for what runs at every login.

Core finds its compiled form again at each execution, checks the parameters against it and wraps the cursor: 15 to 40 µs
around the 3 to 6 that SQLite takes. Here its text and the order of its parameters are kept, and go to the driver as
they are. Everything that is not in the way of a login is executed by Core itself.
"""

from __future__ import annotations

import sqlite3
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from sqlalchemy import Select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Column, Connection, Executable, Label

    Key = Column[Any] | Label[Any] | str

T = TypeVar("T")

_DIALECT = sqlite.dialect()


class Row(Protocol):
    """A row by its columns, whoever read it."""

    def __getitem__(self, key: Any, /) -> Any:
        """The value of a column."""


class Found:
    """A row by its columns, or by the names of labels."""

    __slots__ = ("_places", "_values")

    def __init__(self, places: Mapping[Any, int], values: Sequence[Any]) -> None:
        self._places = places
        self._values = values

    def __getitem__(self, key: Key) -> Any:
        return self._values[self._places[key]]


class Prepared:
    """One statement. Its parameters have names and no types: what it is given is what SQLite stores.

    `fills` are the columns of an insert, each a parameter of its own name.
    """

    def __init__(self, statement: Executable, fills: Sequence[str] = ()) -> None:
        self._statement = statement
        self._fills = list(fills) or None

    def all(self, connection: Connection, values: Mapping[str, object]) -> list[Found]:
        """Every row that it finds."""
        places = self._places
        return [Found(places, self._typed(row)) for row in self._execute(connection, values)]

    def first(self, connection: Connection, values: Mapping[str, object]) -> Found | None:
        """The first row that it finds."""
        row = self._execute(connection, values).fetchone()
        return None if row is None else Found(self._places, self._typed(row))

    def scalar(self, connection: Connection, values: Mapping[str, object]) -> Any:
        """The first column of its one row."""
        return self._execute(connection, values).fetchone()[0]

    def run(self, connection: Connection, values: Mapping[str, object]) -> int:
        """How many rows it changed."""
        return self._execute(connection, values).rowcount

    def run_each(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Once for each of these."""
        if rows:
            text, order = self._compiled
            each = [[{**self._constants, **row}[name] for name in order] for row in rows]
            driven(connection, lambda driver: driver.executemany(text, each))

    def _execute(self, connection: Connection, values: Mapping[str, object]) -> sqlite3.Cursor:
        text, order = self._compiled
        known = {**self._constants, **values} if self._constants else values
        parameters = [known[name] for name in order]
        return driven(connection, lambda driver: driver.execute(text, parameters))

    def _typed(self, row: Sequence[Any]) -> Sequence[Any]:
        if not self._processors:
            return row
        typed = list(row)
        for place, process in self._processors:
            typed[place] = process(typed[place])
        return typed

    @cached_property
    def _compiled(self) -> tuple[str, Sequence[str]]:
        compiled = cast("Any", self._statement).compile(dialect=_DIALECT, column_keys=self._fills)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        return str(compiled), compiled.positiontup

    @cached_property
    def _columns(self) -> Sequence[Column[Any] | Label[Any]]:
        assert isinstance(self._statement, Select)
        return cast("Sequence[Column[Any] | Label[Any]]", list(self._statement.selected_columns))

    @cached_property
    def _places(self) -> Mapping[Any, int]:
        by_column: dict[Any, int] = {column: place for place, column in enumerate(self._columns)}
        return by_column | {column.name: place for column, place in by_column.items()}

    @cached_property
    def _processors(self) -> Sequence[tuple[int, Callable[[Any], Any]]]:
        """SQLite has no booleans."""
        types = (column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None) for column in self._columns)
        return [(place, process) for place, process in enumerate(types) if process is not None]


def driven(connection: Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Let the driver do something; what goes wrong is told as SQLAlchemy tells it, without a value."""
    driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
    try:
        return work(driver)
    except sqlite3.Error as error:
        raise DBAPIError.instance(None, None, error, sqlite3.Error, hide_parameters=True) from error
