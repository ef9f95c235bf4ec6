"""The chain of the record: what links a row to the one before it, and what shows that a link is broken.

The MAC of a row is an HMAC-SHA-256 over the MAC of the row before it and every column of its own, its position among
them. The key is sealed under the key file (store.sealer): whoever has the database alone can neither change a row nor
take one out of the middle. Whoever has both can make a whole new chain; what they cannot change is a *head*, the place
and MAC of the newest row, that was written down elsewhere before (SECURITY.md, promise 14).
"""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from mailguard.store.schema import audit

if TYPE_CHECKING:
    from sqlalchemy import Row, Select

GENESIS = bytes(32)
"""What stands for the MAC before the first row."""
HEAD_BYTES = 16  # of a MAC: enough that nobody finds another row with the same

_HEAD = re.compile(rf"(\d{{1,18}})-([0-9a-f]{{{2 * HEAD_BYTES}}})", re.ASCII)
_NAMES = tuple(sorted(column.name for column in audit.c if column.name != "mac"))
_OTHERS = tuple(name for name in _NAMES if name != "position")
linked: Select[Any] = select(*(audit.c[name] for name in _NAMES), audit.c.mac).order_by(audit.c.seq)
"""Rows with everything that `link` needs, in their order."""


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the chain and the MAC of the row there. Written as `184-9f86d081884c7d659a2feaa0c55ad015`."""

    position: int
    mac: bytes

    def __str__(self) -> str:
        return f"{self.position}-{self.mac[:HEAD_BYTES].hex()}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """A head as it was printed; ValueError where it is none."""
        match = _HEAD.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no head: write one as it was printed, such as {cls(184, GENESIS)}")
        return cls(int(match[1]), bytes.fromhex(match[2]))

    def is_at(self, position: int, mac: bytes) -> bool:
        """Is this row the one that it names?"""
        return position == self.position and hmac.compare_digest(mac[:HEAD_BYTES], self.mac[:HEAD_BYTES])


START = Head(0, GENESIS)


def link(key: bytes, before: bytes, row: Row[Any], position: int) -> bytes:
    """The MAC of a row (of `linked`) at a position, behind the row with the MAC `before`.

    Columns that say nothing are left out, so that one which a later version adds changes no MAC of older rows.
    """
    values = dict(zip(_NAMES, row, strict=False))  # the row's own MAC comes last and is left out
    said = {name: values[name] for name in _OTHERS if values[name] not in ("", None)}
    message = _encoder.encode({**said, "position": position})
    return hmac.digest(key, before + message.encode(), "sha256")


def _tagged(value: object) -> dict[str, str]:
    """Bytes where a text should be: whoever put them there must not pass them off as that text."""
    return {"bytes": value.hex() if isinstance(value, bytes) else repr(value)}


_encoder = json.JSONEncoder(default=_tagged)  # json.dumps would make one for every row


@unique
class Fault(StrEnum):
    """What is wrong with the record."""

    ALTERED = "altered"  # a row's MAC does not fit
    MISSING = "missing"  # rows between two others
    OUT_OF_ORDER = "out-of-order"
    INSERTED = "inserted"  # a row among sealed ones that the sealer never saw
    TRUNCATED = "truncated"  # its end or its beginning is gone
    REWRITTEN = "rewritten"  # whole in itself, but not what a head was written down of
    UNVOUCHED = "unvouched"  # the key or the ends of the chain were altered


@dataclass(frozen=True, slots=True)
class Broken:
    """The first thing that is wrong: where, and when that row was written."""

    fault: Fault
    text: str
    position: int | None = None
    seq: int | None = None
    at: float | None = None


class Walk:
    """Along the chain, row by row, from a known place to the end that the sealer vouches for."""

    def __init__(self, key: bytes, start: Head, end: Head, wanted: Head | None = None) -> None:
        self._key = key
        self._end = end
        self._wanted = wanted
        self.here = start

    def step(self, row: Row[Any]) -> Broken | None:
        """Go on to the next sealed row; what is wrong with it."""
        due = self.here.position + 1
        position = row.position
        if position is None:
            return at(Fault.INSERTED, f"a row that was never sealed stands before position {due}", row)
        if not isinstance(position, int):
            return at(Fault.ALTERED, "its position was changed", row)
        if position < due:
            return at(Fault.OUT_OF_ORDER, f"it stands where position {due} is due", row)
        if position > due:
            gone = f"the row at position {due} is" if position == due + 1 else f"rows {due} to {position - 1} are"
            return replace(at(Fault.MISSING, f"{gone} missing before the row of this time", row), position=due)
        mac = link(self._key, self.here.mac, row, position)
        if not isinstance(row.mac, bytes) or not hmac.compare_digest(mac, row.mac):
            return at(Fault.ALTERED, "this row, or where it stands, was changed", row)
        self.here = Head(position, mac)
        if self._wanted is not None and self._wanted.position == position and not self._wanted.is_at(position, mac):
            return at(Fault.REWRITTEN, f"this row is not the one that head {self._wanted} was taken of", row)
        return None

    def arrive(self) -> Broken | None:
        """No sealed row is left: is this the end?"""
        for end, what in ((self._wanted, f"head {self._wanted}"), (self._end, "the sealer")):
            if end is not None and self.here.position < end.position:
                text = f"the record ends at position {self.here.position}; {what} knows of {end.position}"
                return Broken(Fault.TRUNCATED, text, self.here.position + 1)
        return None


def at(fault: Fault, text: str, row: Row[Any]) -> Broken:
    """What is wrong with a row. Whoever changed it may have put anything in place of a number."""
    written = row.at if isinstance(row.at, float) else None
    return Broken(fault, text, row.position if isinstance(row.position, int) else None, row.seq, written)
