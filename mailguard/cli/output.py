"""What commands print: tables for people, JSON for programs, secrets alone on standard output."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mailguard.cli.refusal import Refusal

Cell = str | int | float | bool | None | Sequence[str]
Row = Mapping[str, Cell]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

PROGRESS_SECONDS = 5.0
_WIDE = 10_000  # columns where no terminal says how many there are: nothing is folded for a program that reads along


def listing(rows: Sequence[Row], *, as_json: bool, empty: str) -> None:
    """Many rows of one shape: a table with their keys as headings, or a JSON list."""
    if as_json:
        _json([dict(row) for row in rows])
    elif not rows:
        note(empty)
    else:
        told = [name for name in rows[0] if any(not _silent(row[name]) for row in rows)]
        table = Table(box=None, pad_edge=False)
        for name in told:
            table.add_column(name.replace("_", " "), overflow="fold")  # a reason or an id is never cut short
        for row in rows:
            table.add_row(*(_text(row[name]) for name in told))
        _console().print(table)


def _silent(cell: Cell) -> bool:
    """A column of nothing but these is left out. A no is an answer."""
    return cell is None or cell == "" or (cell == 0 and not isinstance(cell, bool))


def one(row: Row, *, as_json: bool) -> None:
    """One row: a name and its value a line, or a JSON object."""
    if as_json:
        _json(dict(row))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, cell in row.items():
        table.add_row(name.replace("_", " "), _text(cell))
    _console().print(table)


def json_object(value: Mapping[str, object]) -> None:
    """A JSON object of any depth."""
    _json(value)


def say(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(f"{text}\n")


def counted(count: int, noun: str) -> str:
    """So many of them, in words."""
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def note(text: str) -> None:
    """A line for the person at the terminal, kept out of what a script reads."""
    sys.stderr.write(f"{text}\n")


class Progress:
    """Tells the person at the terminal how far something long is, now and then."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told_at = time.monotonic()

    def __call__(self, count: int) -> None:
        """So many so far."""
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_SECONDS:
            self._told_at = now
            note(f"{count:,} {self._what} …")


@contextmanager
def lines_to(file: Path | None) -> Iterator[Callable[[Iterable[object]], None]]:
    """A way to write JSON Lines to a new file that only its owner may read, or to standard output.

    Refusal where the file exists or cannot be made.
    """
    try:
        descriptor = None if file is None else os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refusal(f"{file} exists and is not overwritten: name another file") from None
    except OSError as error:
        raise Refusal(f"{file} cannot be made ({error.strerror}): name a file in a folder you may write") from None
    with nullcontext(sys.stdout) if descriptor is None else os.fdopen(descriptor, "w", encoding="utf-8") as out:
        yield lambda values: out.writelines(f"{json.dumps(value)}\n" for value in values)


def when(seconds: float | None) -> str | None:
    """A moment, in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _json(value: object) -> None:
    say(json.dumps(value, indent=2, default=str))


def _text(cell: Cell) -> Text:
    match cell:
        case None:
            shown = "-"
        case bool():
            shown = "yes" if cell else "no"
        case str() | int() | float():
            shown = str(cell)
        case _:
            shown = ", ".join(cell)
    return Text(printable(shown))


def printable(text: str) -> str:
    """Clients choose what some texts hold: an escape sequence must not reach the operator's terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE, highlight=False)
