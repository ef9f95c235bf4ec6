"""The first page of administrators: how things stand, in numbers and plots."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import Response

from mailguard.admin import overview
from mailguard.admin.overview import Overview
from mailguard.auth.attempt import Factor
from mailguard.web import paths, plots
from mailguard.web.admin.administrator import Administrator
from mailguard.web.page import render
from mailguard.web.plots import Plot, Series

if TYPE_CHECKING:
    from collections.abc import Callable

    from markupsafe import Markup

    from mailguard.web.visit import Visit

router = APIRouter()

DAYS = 7
REASONS = 6  # that have a bar of their own

_EPOCH = datetime.fromtimestamp(0, UTC)
_KINDS = {
    Factor.APP_PASSWORD: "app-password",
    Factor.CODE: "code",
    Factor.GRANT: "code",
    Factor.PASSWORD: "password",
}
_KIND_NAMES = ("app-password", "code", "password", "portal")


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot as the page shows it."""

    plot: Plot
    drawn: Markup | str


@router.get(paths.ADMIN)
async def first_page(request: Request, me: Administrator) -> Response:
    """Key figures, and plots of the last days."""
    seen = await overview.overview(me.bureau, me.acting, DAYS)
    figures = (
        _sign_ins(me.visit, seen),
        _refusals(me.visit, seen),
        _sessions(me.visit, seen),
        _enrolled(me.visit, seen),
    )
    return render(request, "admin_overview.html", me=me, seen=seen, figures=figures, days=DAYS)


def _sign_ins(visit: Visit, seen: Overview) -> Figure:
    first = int(seen.since // overview.DAY)
    counted: Counter[tuple[int, str]] = Counter()
    for (day, factor), times in seen.sign_ins.items():
        counted[day, _KINDS.get(Factor(factor), "portal")] += times
    days = range(first, first + DAYS)
    series = (
        Series(visit.say(f"admin.factor_{kind}"), tuple(counted[day, kind] for day in days)) for kind in _KIND_NAMES
    )
    labels = tuple(f"{_EPOCH + timedelta(days=day):%m-%d}" for day in days)
    return _figure(visit, "sign_ins", Plot(visit.say("admin.sign_ins"), labels, tuple(series)), plots.columns)


def _refusals(visit: Visit, seen: Overview) -> Figure:
    ranked = Counter(seen.refusals).most_common()
    shown, rest = ranked[:REASONS], sum(times for _, times in ranked[REASONS:])
    named = [(reason, times) for reason, times in shown] + ([(visit.say("admin.others"), rest)] if rest else [])
    return _bars(visit, "refusals", named)


def _sessions(visit: Visit, seen: Overview) -> Figure:
    return _bars(visit, "sessions", sorted(seen.sessions.items()))


def _enrolled(visit: Visit, seen: Overview) -> Figure:
    with_and_without = (("enrolled_yes", seen.enrolled), ("enrolled_no", seen.people - seen.enrolled))
    return _bars(visit, "enrolled", [(visit.say(f"admin.{word}"), many) for word, many in with_and_without])


def _bars(visit: Visit, word: str, named: list[tuple[str, int]]) -> Figure:
    values = Series(visit.say("admin.number"), tuple(times for _, times in named))
    plot = Plot(visit.say(f"admin.{word}"), tuple(name for name, _ in named), (values,))
    return _figure(visit, word, plot, plots.bars)


def _figure(visit: Visit, word: str, plot: Plot, draw: Callable[[Plot, str], Markup]) -> Figure:
    return Figure(plot, "" if plot.empty else draw(plot, visit.say(f"admin.{word}_plot")))
