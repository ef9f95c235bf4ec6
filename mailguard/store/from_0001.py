"""What schema 0001 kept under its MACs and seals, brought under today's.

Seen before the tables change and written after, in the one transaction of the upgrade. A row that no longer fits its
MAC or seal was altered behind mailguard's back: it gets no new one, and is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, Float, Integer, LargeBinary, String, bindparam, column, select, table, update

from mailguard.auth.accounts import KeyedHash
from mailguard.keyring import KeysError
from mailguard.store import key_checks, macs, schema
from mailguard.store.reseal import Unfit
from mailguard.store.seal import Sealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, RowMapping, Table, TableClause

    from mailguard.store.seal import Field, Seal

REVISION = "0001"

_KINDS = {"text": String, "number": Float, "count": Integer, "flag": Boolean, "bytes": LargeBinary}


def _table(called: str, /, **columns: str) -> TableClause:
    return table(called, *(column(each, _KINDS[kind]) for each, kind in columns.items()))


# Every column but the MAC's own was under it, in this order.
_ACCOUNTS = _table(
    "accounts",
    id="text",
    name="text",
    kind="text",
    policy_group="text",
    administrator="flag",
    suspended="flag",
    factor_required="flag",
    created_at="number",
    mac_key="text",
    mac="bytes",
)
_APP_PASSWORDS = _table(
    "app_passwords",
    id="text",
    account_id="text",
    label="text",
    protocols="text",
    networks="text",
    created_at="number",
    expires_at="number",
    idle="number",
    revoked_at="number",
    issued_by="text",
    seen_by_operator="flag",
    hash_key="text",
    hash="bytes",
    mac_key="text",
    mac="bytes",
)
# An authenticator had no MAC: its seed was sealed to these.
_DEVICES = _table(
    "totp_devices",
    id="text",
    account_id="text",
    digits="count",
    period="count",
    algorithm="text",
    seal_key="text",
    sealed_seed="bytes",
)
_NOW = {_ACCOUNTS: schema.accounts, _APP_PASSWORDS: schema.app_passwords, _DEVICES: schema.devices}


@dataclass(frozen=True, slots=True)
class Former:
    """Rows that fit, and that do not, by the table that they are in today; every generation that made one."""

    intact: Mapping[Table, frozenset[str]]
    unfit: tuple[Unfit, ...]
    generations: frozenset[str]


def examine(connection: Connection, seal: Seal) -> Former:
    """Look at every row of the old tables. StoreUnavailable where the key file lacks a generation, KeysError where it
    is another one's: no row fits it."""
    intact: dict[Table, set[str]] = {today: set() for today in _NOW.values()}
    unfit: list[Unfit] = []
    generations: set[str] = set()
    for former, today in _NOW.items():
        for row in connection.execute(select(former)).mappings():
            keys = frozenset(row[name] for name in ("mac_key", "hash_key", "seal_key") if name in row)
            generations |= keys
            if _fits(seal, former, row):
                intact[today].add(row["id"])
            else:
                unfit.append(Unfit(today.name, row["id"], keys))
    if unfit and not any(intact.values()):
        raise KeysError("no row fits the key file: it has another secret than these records were made with; restore it")
    return Former({today: frozenset(ids) for today, ids in intact.items()}, tuple(unfit), frozenset(generations))


def bring(connection: Connection, seal: Seal, former: Former) -> None:
    """Put what fitted under the MACs of today. The rest keeps a MAC that does not fit, and so opens nothing."""
    for today, intact in former.intact.items():
        fresh = [
            {"row": row["id"], **_mac(seal, today, row, intact=row["id"] in intact)}
            for row in connection.execute(select(today)).mappings()
        ]
        if fresh:
            connection.execute(update(today).where(today.c.id == bindparam("row")), fresh)
    for key_id in former.generations:
        key_checks.remember(connection, seal.keyring.get(key_id))


def _mac(seal: Seal, today: Table, row: RowMapping, *, intact: bool) -> dict[str, Any]:
    if intact:
        return {name: value for name, value in macs.changed(seal, today, row).items() if name in ("mac_key", "mac")}
    return {"mac_key": seal.keyring.newest.id, "mac": b""}


def _fits(seal: Seal, former: TableClause, row: RowMapping) -> bool:
    if former is _DEVICES:
        place = [row[name] for name in ("id", "account_id", "digits", "period", "algorithm")]
        return seal.open([former.name, *place], Sealed(row["seal_key"], row["sealed_seed"])) is not None
    return seal.fits([former.name, *_values(former, row)], KeyedHash(row["mac_key"], row["mac"]))


def _values(former: TableClause, row: RowMapping) -> Iterator[Field]:
    for each in former.c:
        if each.name not in ("mac_key", "mac"):
            value = row[each.name]
            yield float(value) if isinstance(each.type, Float) and value is not None else value
