"""The whole record checked against its chain, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, exists, select

from mailguard.auth.ports import StoreUnavailable
from mailguard.store.chain import Broken, Fault, Head, Walk, at, linked
from mailguard.store.errors import RecordAltered
from mailguard.store.schema import audit
from mailguard.store.sealer import tip_of
from mailguard.store.vouching import Ends, ends_of, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from sqlalchemy import Connection, Row, Select

    from mailguard.store.engine import Database
    from mailguard.store.seal import Seal

PAGE = 2000

_between = (audit.c.seq > bindparam("after"), audit.c.seq <= bindparam("last"))
_PAGE = linked.where(*_between).limit(bindparam("most"))
_NEXT: Select[Any] = select(audit.c.seq, audit.c.position, audit.c.at).where(*_between).order_by(audit.c.seq).limit(1)
_ELSEWHERE = select(exists().where(audit.c.position == bindparam("wanted")))
_BEYOND = linked.where(audit.c.seq > bindparam("after"), audit.c.position.is_not(None)).limit(1)


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found: `rows` fit one behind the other, from behind `ends.anchor` to where `broken` says, or to the end.
    `unsealed` are too young to be in the chain."""

    rows: int
    unsealed: int
    ends: Ends
    broken: Broken | None


async def verify(database: Database, seal: Seal, wanted: Head | None, progress: Callable[[int], None]) -> Verified:
    """Recompute every MAC, and compare with a head that was written down elsewhere. `progress` hears how far
    it is."""
    try:
        while (found := await _verified(database, seal, wanted, progress)) is None:
            pass
    except RecordAltered as altered:
        return Verified(0, 0, Ends(), Broken(Fault.UNVOUCHED, str(altered)))
    return found


async def _verified(
    database: Database, seal: Seal, wanted: Head | None, progress: Callable[[int], None]
) -> Verified | None:
    """Once; None where rows were purged meanwhile, which may have been taken away before we came to them."""
    key, ends, unsealed = await database.read(lambda connection: _begin(connection, seal))
    if key is None:
        lost = f"nothing was sealed here; head {wanted} knows of a record"
        known = wanted is not None and wanted.position > 0
        return Verified(0, unsealed, ends, Broken(Fault.TRUNCATED, lost, 1) if known else None)
    walk = Walk(key, ends.anchor, ends.head, wanted)
    broken = _of_the_past(wanted, ends) or await _along(database, walk, key, ends, progress)
    if broken is not None:
        now = await database.read(lambda connection: ends_of(connection, key))
        if now.anchor != ends.anchor:
            return None
    return Verified(walk.here.position - ends.anchor.position, unsealed, ends, broken)


def _begin(connection: Connection, seal: Seal) -> tuple[bytes | None, Ends, int]:
    key = key_of(connection, seal)
    return key, Ends() if key is None else ends_of(connection, key), tip_of(connection, seal).unsealed


def _of_the_past(wanted: Head | None, ends: Ends) -> Broken | None:
    if wanted is None or wanted.position > ends.anchor.position:
        return None
    if wanted.position == ends.anchor.position:
        if wanted.is_at(wanted.position, ends.anchor.mac):
            return None
        return Broken(Fault.REWRITTEN, f"what was purged did not end in head {wanted}", wanted.position)
    text = f"head {wanted} was of rows that have been purged, up to {ends.anchor}: give a later one"
    return Broken(Fault.MISSING, text, wanted.position)


async def _along(
    database: Database, walk: Walk, key: bytes, ends: Ends, progress: Callable[[int], None]
) -> Broken | None:
    after = 0
    while page := await _read(database, after, ends.seq):
        if isinstance(page, Broken):
            return page
        for row in page:
            broken = walk.step(row)
            if broken is not None:
                return await database.read(partial(_named, broken=broken))
        after = page[-1].seq
        progress(walk.here.position - ends.anchor.position)
    return walk.arrive() or await database.read(partial(_beyond, key=key, ends=ends))


async def _read(database: Database, after: int, last: int) -> Sequence[Row[Any]] | Broken:
    """The next rows. Text that is no UTF-8, which SQLite keeps like any other, makes a page unreadable: then row by
    row, to name the one that holds it."""
    for most in (PAGE, 1):
        try:
            return await database.read(partial(_page, after=after, last=last, most=most))
        except StoreUnavailable:
            continue
    row = await database.read(lambda connection: connection.execute(_NEXT, {"after": after, "last": last}).one())
    return at(Fault.ALTERED, "it holds a text that cannot be read", row)


def _page(connection: Connection, after: int, last: int, most: int) -> Sequence[Row[Any]]:
    return connection.execute(_PAGE, {"after": after, "last": last, "most": most}).all()


def _named(connection: Connection, broken: Broken) -> Broken:
    """A row that is missing here may stand elsewhere."""
    if broken.fault is Fault.MISSING and connection.execute(_ELSEWHERE, {"wanted": broken.position}).scalar_one():
        return replace(broken, fault=Fault.OUT_OF_ORDER, text="it stands elsewhere, before or behind its place")
    return broken


def _beyond(connection: Connection, key: bytes, ends: Ends) -> Broken | None:
    """Sealed rows that the sealer does not know of: the ends were put back to what they once were."""
    row = connection.execute(_BEYOND, {"after": ends.seq}).first()
    if row is None or ends_of(connection, key).seq >= row.seq:  # sealed meanwhile
        return None
    return at(Fault.UNVOUCHED, f"it is sealed, and the sealer knows of rows up to {ends.head} only", row)
