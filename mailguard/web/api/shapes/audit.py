"""The record."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, Field

from mailguard.admin.record import PAGE
from mailguard.auth.events import Event
from mailguard.web.api.shapes.base import Shape, Size, Text, Wish, moment

if TYPE_CHECKING:
    from mailguard.store.audit import Recorded
    from mailguard.store.trail import Leaf

LARGEST = 2**53


class Entry(Shape):
    """A row of the record. It stands for `repeats` further events like it, the last of them at `last`."""

    time: datetime
    event: Event
    account: str
    person: str
    protocol: str
    address: str
    factor: str
    credential: str
    reason: str
    actor: str
    client: str
    session: str
    detail: str
    repeats: int
    last: datetime
    position: int | None = Field(description="Its place in the chain; null until it is sealed.")

    @classmethod
    def of(cls, recorded: Recorded) -> Entry:
        """From the record."""
        row = recorded.row
        return cls(
            time=moment(row.at),
            event=row.event,
            account=row.account,
            person=row.person,
            protocol=str(row.protocol or ""),
            address=str(row.origin.address) if row.origin else "",
            factor=str(row.factor or ""),
            credential=row.credential,
            reason=str(row.reason),
            actor=row.actor,
            client=row.client,
            session=row.session,
            detail=row.detail,
            repeats=recorded.repeats,
            last=moment(recorded.last_at),
            position=recorded.position,
        )


class EntryPage(Shape):
    """Newest first. A page may be short, or empty, and yet not the last one."""

    items: list[Entry]
    before: int | None = Field(description="Asks for the next page; null where there is no more.")

    @classmethod
    def of(cls, leaf: Leaf) -> EntryPage:
        """From one page of the record."""
        return cls(items=[Entry.of(each) for each in leaf.rows], before=leaf.before)


class Which(Wish):
    """Which rows; what is left out may be anything."""

    account: Text = Field("", description="As account, or as the person behind a shared mailbox.")
    event: list[Event] = Field([], max_length=len(Event), description="One of these; may be repeated.")
    reason: Text = ""
    address: Text = ""
    actor: Text = Field("", examples=["operator:root"])
    since: AwareDatetime | None = None
    until: AwareDatetime | None = Field(None, description="Exclusive.")


class WhichPage(Which):
    """The same, a page at a time."""

    before: int | None = Field(None, ge=1, le=LARGEST, description="As the page before gave it.")
    size: Size = PAGE
