"""The record, as far as the key's limit reaches."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from mailguard.admin import record
from mailguard.admin.gate import Act
from mailguard.auth.accounts import AccountName
from mailguard.store.lines import Line
from mailguard.store.trail import Asked
from mailguard.web.api.caller import Caller, Program, needs
from mailguard.web.api.shapes.audit import EntryPage, Which, WhichPage

router = APIRouter(prefix="/audit", tags=["audit"])

_LINES = "application/x-ndjson"


@router.get("", openapi_extra=needs(Act.READ))
async def search_audit(caller: Program, asked: Annotated[WhichPage, Query()]) -> EntryPage:
    """The newest rows that match, or those older than row `before`."""
    leaf = await record.page(caller.bureau, caller.acting, _asked(caller, asked), before=asked.before, size=asked.size)
    return EntryPage.of(leaf)


@router.get(
    "/export",
    openapi_extra=needs(Act.READ),
    response_class=StreamingResponse,
    responses={200: {"description": "docs/operators/audit.schema.json describes each line.", "content": {_LINES: {}}}},
)
async def export_audit(caller: Program, asked: Annotated[Which, Query()]) -> StreamingResponse:
    """All rows that match, oldest first, as lines of JSON. There may be any number."""
    pages = record.export(caller.bureau, caller.acting, _asked(caller, asked))
    try:
        first = await anext(pages)  # what is refused, is refused before an answer has begun
    except StopAsyncIteration:
        first = ()
    return StreamingResponse(_lines(first, pages), media_type=_LINES)


async def _lines(first: Sequence[Line], rest: AsyncIterator[Sequence[Line]]) -> AsyncIterator[str]:
    yield _text(first)
    async for page in rest:
        yield _text(page)


def _text(page: Sequence[Line]) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in page)


def _asked(caller: Caller, which: Which) -> Asked:
    return Asked(
        account=caller.name(which.account) if which.account else AccountName(""),
        events=frozenset(which.event),
        reason=which.reason,
        address=which.address,
        actor=which.actor,
        since=None if which.since is None else which.since.timestamp(),
        until=None if which.until is None else which.until.timestamp(),
    )
