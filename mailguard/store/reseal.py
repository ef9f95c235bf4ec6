"""Rows brought under the newest generation: seals and MACs are made anew. Hashes of secrets wait for their use.

Only rows that fit are taken over. One that was altered outside mailguard must not get a MAC that says otherwise: it
stays as it is, and is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, true, update

from mailguard.auth.ports import AuditRow, StoreUnavailable
from mailguard.store import audit, macs, rows, vouching
from mailguard.store.schema import audit_key, devices, grants

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping, Table

    from mailguard.store.macs import Values
    from mailguard.store.seal import Seal


# Nothing else is written: a reference that somebody has broken in the file must not stop a rotation.
_MADE_ANEW = ("seal_key", "sealed_seed", "sealed", "mac_key", "mac")


@dataclass(frozen=True, slots=True)
class Unfit:
    """A row that was altered outside mailguard, or whose generation the key file does not have."""

    table: str
    id: str
    generations: frozenset[str]

    def __str__(self) -> str:
        return f"row {self.id} of {self.table}"

    def alarm(self, at: float, actor: str) -> AuditRow:
        """What the record says of it."""
        return audit.altered(self.table, self.id, at, actor=actor)


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many rows were taken over, and which were not."""

    renewed: int
    unfit: tuple[Unfit, ...]


def reseal(connection: Connection, seal: Seal) -> Resealed:
    """Bring every row that fits under the newest generation, within the caller's transaction."""
    renewed, unfit = 0, []
    for table in macs.tables():
        (primary,) = table.primary_key.columns
        # A grant's string is erased at its end, and with it what its MAC was over: it is nothing any more.
        which = table.c.ended_at.is_(None) if table is grants else true()
        fresh: list[Values] = []
        for row in connection.execute(select(table).where(which)).mappings():
            values = _renewed(seal, table, row)
            if values is None:
                keys = frozenset(row[column] for column in table.c if column.name.endswith("_key"))
                unfit.append(Unfit(table.name, str(row[primary]), keys))
            elif not _is_newest(seal, row):
                fresh.append({"row": row[primary], **{name: values[name] for name in _MADE_ANEW if name in values}})
        if fresh:
            connection.execute(update(table).where(primary == bindparam("row")), fresh)
            renewed += len(fresh)
    return Resealed(renewed, tuple(unfit))


def _renewed(seal: Seal, table: Table, row: RowMapping) -> Values | None:
    try:
        if table is devices:
            device = rows.device_of(seal, row)
            return rows.device_values(seal, device.value) if device.intact else None
        if table is audit_key:
            key = vouching.key_in(seal, row)
            return vouching.key_values(seal, key, row[audit_key.c.created_at]) if key is not None else None
        return macs.changed(seal, table, row) if macs.fits(seal, table, row) else None
    except StoreUnavailable:
        return None


def _is_newest(seal: Seal, row: RowMapping) -> bool:
    newest = seal.keyring.newest.id
    return bool(row["mac_key"] == newest and row.get("seal_key", newest) == newest)
