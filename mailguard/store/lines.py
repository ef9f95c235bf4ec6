"""A row of the record as an object of JSON, for other programs. What each name holds: docs/operators/audit.md."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mailguard.store.schema import audit

if TYPE_CHECKING:
    from collections.abc import Mapping

Line = dict[str, str | int | None]

_PLAIN = [column.name for column in audit.c if column.name not in ("seq", "at", "last_at", "position", "mac")]


def line_of(row: Mapping[Any, Any]) -> Line:
    """Every name is always there. Taken as it stands: a row that was altered is shown as what it became."""
    mac = row["mac"]
    return {
        "position": row["position"],
        "time": _time(row["at"]),
        **{name: row[name] for name in _PLAIN},
        "last": _time(row["last_at"]),
        "mac": mac.hex() if isinstance(mac, bytes) else None,
    }


def _time(seconds: object) -> str:
    if not isinstance(seconds, float):
        return str(seconds)
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
