"""The record: searched page by page, and taken along as JSON Lines."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from mailguard.admin import record
from mailguard.auth.events import Event
from mailguard.store import ChangeRefused
from mailguard.store.trail import Asked
from mailguard.web import paths
from mailguard.web.admin.administrator import Administrator
from mailguard.web.page import render

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

router = APIRouter(prefix=paths.ADMIN_RECORD)

FIELDS = ("account", "event", "reason", "address", "actor", "since", "until")


def _asked(request: Request) -> Asked:
    """What the address of the page asks for; what is empty is left open."""
    given = {field: request.query_params.get(field, "").strip() for field in FIELDS}
    until = _day(given["until"])
    return Asked(
        account=given["account"].lower(),
        events=frozenset({Event(given["event"])}) if given["event"] in set(Event) else frozenset(),
        reason=given["reason"],
        address=given["address"],
        actor=given["actor"],
        since=_seconds(_day(given["since"])),
        until=None if until is None else _seconds(until + timedelta(days=1)),
    )


Wish = Annotated[Asked, Depends(_asked)]


@router.get("")
async def page(
    request: Request, me: Administrator, asked: Wish, before: Annotated[int | None, Query(ge=1, lt=2**63)] = None
) -> Response:
    """The newest rows that match, or older ones."""
    leaf = await record.page(me.bureau, me.acting, asked, before=before)
    given = {field: request.query_params[field] for field in FIELDS if request.query_params.get(field)}
    return render(
        request,
        "admin_record.html",
        me=me,
        rows=leaf.rows,
        given={**dict.fromkeys(FIELDS, ""), **given},
        events=sorted(Event),
        asked=urlencode(given),
        onward=urlencode({**given, "before": leaf.before}) if leaf.before is not None else "",
    )


@router.get("/export")
async def export(me: Administrator, asked: Wish) -> Response:
    """Everything that matches."""
    await me.bureau.reads(me.acting)  # a refusal has no place in a file that has begun
    day = datetime.fromtimestamp(me.bureau.now(), UTC)
    return StreamingResponse(
        _lines(me, asked),
        media_type="application/jsonl",
        headers={"content-disposition": f'attachment; filename="mailguard-audit-{day:%Y-%m-%d}.jsonl"'},
    )


async def _lines(me: Administrator, asked: Asked) -> AsyncIterator[str]:
    async for lines in record.export(me.bureau, me.acting, asked):
        yield "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written) if written else None
    except ValueError:
        raise ChangeRefused("write days as 2026-11-01") from None


def _seconds(day: date | None) -> float | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
