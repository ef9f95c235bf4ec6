"""The record, as far as the role of whoever reads it reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from mailguard.admin.acting import Acting
    from mailguard.admin.bureau import Bureau
    from mailguard.store.lines import Line
    from mailguard.store.trail import Asked, Leaf

PAGE = 100


async def page(bureau: Bureau, acting: Acting, asked: Asked, *, before: int | None = None, size: int = PAGE) -> Leaf:
    """The newest rows that match, newest first, or those older than row `before`."""
    current = await bureau.reads(acting)
    return await bureau.store.trail.page(asked, current.limit, before=before, size=size)


async def export(bureau: Bureau, acting: Acting, asked: Asked) -> AsyncIterator[Sequence[Line]]:
    """All rows that match, oldest first, a page at a time, as objects of JSON."""
    current = await bureau.reads(acting)
    async for lines in bureau.store.trail.lines(asked, current.limit):
        yield lines
