"""How a key of the configuration is declared: a field of its table, with everything about it in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from mailguard.config.kinds import Kind, Raw, toml

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Key(Generic[T]):
    """One key. `example` is what the example file shows where that is not the default.

    A key that is not `built` takes its default alone. `waits` says what is not done yet about the value it has.
    """

    name: str
    kind: Kind[T]
    default: Raw
    comment: str
    example: Raw
    required: bool
    built: bool
    waits: str


_SLOT = "key"


def key(
    kind: Kind[T],
    default: Raw,
    comment: str = "",
    *,
    name: str = "",
    example: Raw | None = None,
    required: bool = False,
    built: bool = True,
    waits: str = "",
) -> T:
    """Declare a key. `name` is given where the field cannot have the key's own name."""
    declared = Key(name, kind, default, comment, default if example is None else example, required, built, waits)
    return dataclasses.field(default=kind.read(default, Path()), metadata={_SLOT: declared})


def keys_of(table: type[Any]) -> Iterator[tuple[str, Key[Any]]]:
    """The keys of a table: the field's name and its declaration, in the order of the file."""
    for field in dataclasses.fields(table):
        declared = field.metadata.get(_SLOT)
        if isinstance(declared, Key):
            yield field.name, dataclasses.replace(declared, name=declared.name or field.name)


def lines_of(table: object, prefix: str) -> Iterator[tuple[str, str, Key[Any]]]:
    """Each key of a table that was read: its full name, its value in TOML, its declaration."""
    for field, declared in keys_of(type(table)):
        yield f"{prefix}.{declared.name}", toml(declared.kind.write(getattr(table, field))), declared
