"""Which columns of which rows stand under a MAC, and how a row gets and keeps one (SECURITY.md, promise 7).

A MAC covers everything that decides what a row may do. What is written at every use is left out, as is each MAC itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Float

from mailguard.auth.accounts import KeyedHash
from mailguard.store.portal_schema import api_keys, handouts, passkeys, portal_sessions
from mailguard.store.schema import (
    accounts,
    addresses,
    app_passwords,
    audit_key,
    claims,
    devices,
    grants,
    one_time_codes,
    passwords,
    vault,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Column, Table

    from mailguard.store.prepared import Row
    from mailguard.store.seal import Field, Seal

Values = dict[str, Any]

_LEFT_OUT: Mapping[Table, frozenset[str]] = {
    accounts: frozenset(),
    addresses: frozenset(),
    api_keys: frozenset({"last_used_at", "last_used_from"}),
    app_passwords: frozenset({"last_used_at", "last_used_from", "last_used_protocol", "last_client"}),
    audit_key: frozenset(),
    claims: frozenset(),
    devices: frozenset({"last_step"}),
    grants: frozenset({"idle_since", "ended_at"}),
    handouts: frozenset(),
    one_time_codes: frozenset({"kept_at"}),
    passkeys: frozenset({"sign_count", "last_used_at"}),
    passwords: frozenset(),
    portal_sessions: frozenset({"seen_at"}),
    vault: frozenset({"refused_at"}),
}


def tables() -> Iterator[Table]:
    """The tables whose rows carry a MAC."""
    return iter(_LEFT_OUT)


def covered(table: Table) -> Sequence[Column[Any]]:
    """The columns under the MAC of a table's rows, in their order."""
    return _COVERED[table]


def under_mac(seal: Seal, table: Table, values: Mapping[str, Any]) -> Values:
    """A row's values with their MAC, under the newest generation. `values` may hold further columns."""
    mac = seal.mac(_fields(table, [values[column.name] for column in _COVERED[table]]))
    return {**values, "mac_key": mac.key_id, "mac": mac.digest}


def changed(seal: Seal, table: Table, row: Row, **new: Any) -> Values:
    """What to write where a row that fits is changed: the new values and the MAC over the whole."""
    return under_mac(seal, table, {**{column.name: row[column] for column in _COVERED[table]}, **new})


def fits(seal: Seal, table: Table, row: Row) -> bool:
    """Is this row as mailguard left it?"""
    fields = _fields(table, [row[column] for column in _COVERED[table]])
    return seal.fits(fields, KeyedHash(row[table.c.mac_key], row[table.c.mac]))


def _fields(table: Table, values: list[Any]) -> list[Field]:
    """A time may be written as 5 and is read back as 5.0: both are one value to the MAC."""
    for place in _TIMES[table]:
        if values[place] is not None:
            values[place] = float(values[place])
    return [table.name, *values]


_COVERED = {
    table: tuple(column for column in table.c if column.name not in left_out | {"mac_key", "mac"})
    for table, left_out in _LEFT_OUT.items()
}
_TIMES = {
    table: tuple(place for place, column in enumerate(columns) if isinstance(column.type, Float))
    for table, columns in _COVERED.items()
}
