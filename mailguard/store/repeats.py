"""Events that share a row, counted beside the record until their time is over: a row of the record is never changed.

The row that comes of it is the first of them, with the number of the further ones and the time of the last. Until then
they are held here, so that a flood writes one row however long it is (SECURITY.md, promise 12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, case, delete, func, insert, literal, or_, select
from sqlalchemy.dialects import sqlite

from mailguard.store.schema import audit, audit_repeats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

MINUTE, DAY = 60.0, 86400.0
FIRST = -1  # of a device's day: it has a row of its own already

_c = audit_repeats.c
_ROW = [column.name for column in _c if column.name not in ("alike", "until")]
_NEW = sqlite.insert(audit_repeats)
_KEPT = {name: case((_c.repeats < 0, _NEW.excluded[name]), else_=_c[name]) for name in _ROW}
_COUNT = _NEW.on_conflict_do_update(
    index_elements=[_c.alike, _c.until],
    set_={**_KEPT, "repeats": _c.repeats + 1, "last_at": func.max(_c.last_at, _NEW.excluded.last_at)},
).returning(_c.repeats)
# A window far ahead was opened before the clock was set back: nothing would be heard of it for as long.
_over = or_(_c.until <= bindparam("now"), _c.until > bindparam("now") + literal(2 * DAY))
_WRITE = insert(audit).from_select(
    _ROW, select(*(_c[name] for name in _ROW)).where(_over, _c.repeats >= 0).order_by(_c.until, _c.last_at)
)
_CLEAR = delete(audit_repeats).where(_over)
over = select(_c.until).where(_over).limit(1)
"""One window that is over at `now`, if there is any."""


def count(
    connection: Connection,
    alike: Sequence[object],
    at: float,
    values: Mapping[str, object],
    *,
    window: float = MINUTE,
    counts: int = 0,
) -> int:
    """Count one event with those that are `alike` in its window of so many seconds; how many further ones there are.

    `counts` is where that begins: at 0, or below it by as many as the caller writes rows for: FIRST is one.
    """
    key = {"alike": "\0".join(map(str, alike)), "until": (at // window + 1) * window, "repeats": counts}
    return int(connection.execute(_COUNT, {**values, **key}).scalar_one())


def close(connection: Connection, now: float) -> None:
    """Write the rows of windows that are over, within the caller's transaction."""
    connection.execute(_WRITE, {"now": now})
    connection.execute(_CLEAR, {"now": now})
