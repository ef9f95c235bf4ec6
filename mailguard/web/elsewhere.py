"""The answer to many a request: another page."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import RedirectResponse


class Elsewhere(Exception):
    """Lead to another page instead. `query` holds what is not empty."""

    def __init__(self, path: str, **query: str) -> None:
        super().__init__(path)
        self.path = path + (f"?{urlencode(given)}" if (given := {k: v for k, v in query.items() if v}) else "")


def lead(path: str, **query: str) -> RedirectResponse:
    """The same as an answer (RFC 9110 15.4.4). `done=KEY` has the page say the text `done.KEY`."""
    return RedirectResponse(Elsewhere(path, **query).path, status_code=303)
