"""Pages: a template, the words of the visitor's language, and what the layout needs."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from mailguard.web import advice, paths
from mailguard.web.language import language_of
from mailguard.web.texts import LANGUAGES

if TYPE_CHECKING:
    from starlette.requests import Request

    from mailguard.web.visit import Visit


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mailguard.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    environment.filters["iso"] = iso
    environment.filters["marked"] = marked
    environment.globals["paths"] = paths
    return environment


def render(request: Request, template: str, /, *, status: int = 200, **values: object) -> HTMLResponse:
    """A page for whoever made the request. Dependency `visit` has run, unless this tells of trouble before it."""
    visit: Visit | None = getattr(request.state, "visit", None)
    house = request.app.state.held.house
    words = house.texts[language_of(request)]
    done = request.query_params.get("done", "")
    layout = {
        "t": words,
        "languages": LANGUAGES,
        "visit": visit,
        "session": visit.session if visit is not None else None,
        "looks": visit is not None and visit.looks,
        "advice": advice.of(visit) if visit is not None else "",
        "hidden": hidden(visit.form_token if visit is not None else ""),
        "hostname": house.settings.server.hostname,
        "support": house.settings.portal.support,
        "path": request.url.path,
        "done": words(f"done.{done}") if words.has(f"done.{done}") else "",
    }
    content = _environment().get_template(template).render({**layout, **values})
    return HTMLResponse(content, status_code=status)


def hidden(form_token: str) -> Markup:
    """What every form of a page holds: `{{ hidden }}`."""
    return Markup('<input type="hidden" name="token" value="{}">').format(form_token)


def marked(text: str) -> Markup:
    """A text of ours in which `**` stands around what a program calls so."""
    parts = text.split("**")
    return Markup().join(Markup("<b>{}</b>").format(part) if n % 2 else part for n, part in enumerate(parts))


def moment(at: float) -> str:
    """A time for people, UTC. A script of ours puts the browser's own in its place where it may run."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def iso(at: float) -> str:
    """The same for `<time datetime>`."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
