"""A browser without a window: cookies, forms and redirects, straight to the application."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message

HOST = "mail.example.org"


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    set_cookies: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def location(self) -> str:
        return self.headers.get("location", "")

    def form(self, action: str = "") -> dict[str, str]:
        """The values of the page's form with this action, of the first without one."""
        forms = _Forms()
        forms.feed(self.text)
        return next(fields for where, fields in forms.found if not action or where == action)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append((given.get("action", ""), {}))
        if tag == "input" and self.found and "name" in given and given.get("type") not in ("checkbox", "radio"):
            self.found[-1][1][given["name"]] = given.get("value", "")


@dataclass
class Browser:
    """One person's browser."""

    app: ASGIApp
    address: str = "192.0.2.7"
    language: str = "en"
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> Page:
        """A page, and no further."""
        return await self.send("GET", path, headers=headers)

    async def post(self, path: str, values: Mapping[str, str | bytes], **headers: str) -> Page:
        """A form sent as a browser sends it from a page of ours."""
        own = {"origin": f"https://{HOST}", "content-type": "application/x-www-form-urlencoded"}
        return await self.send("POST", path, urlencode(values).encode(), {**own, **headers})

    async def fill(self, path: str, action: str = "", /, **values: str) -> Page:
        """Open a page, fill its form in, send it, and go where that leads."""
        page = await self.get(path)
        assert page.status == 200, (page.status, page.location, page.text)
        return await self.follow(await self.post(action or path, {**page.form(action or path), **values}))

    async def follow(self, page: Page) -> Page:
        """Go where the answers lead."""
        for _ in range(5):
            if page.status not in (302, 303):
                return page
            page = await self.get(page.location)
        raise AssertionError(f"led in circles: {page.location}")

    async def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Page:
        """One request. A header that is empty is left out; underscores stand for hyphens."""
        told = {"host": HOST, "accept-language": self.language, "user-agent": "Tests/1.0"}
        told |= {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if self.cookies:
            told["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        parts = urlsplit(path)
        answered: list[Message] = []
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if not pending:
                await asyncio.Event().wait()  # it stays until the answer is there
            return pending.pop(0)

        async def send(message: Message) -> None:
            answered.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(n.encode(), v.encode()) for n, v in told.items() if v],
            "client": (self.address, 40001),
            "server": (HOST, 443),
        }
        await self.app(scope, receive, send)
        start = answered[0]
        pairs = [(name.decode().lower(), value.decode()) for name, value in start["headers"]]
        said = tuple(value for name, value in pairs if name == "set-cookie")
        self._keep(said)
        content = b"".join(message.get("body", b"") for message in answered[1:])
        return Page(start["status"], dict(pairs), content, said)

    def _keep(self, said: tuple[str, ...]) -> None:
        for line in said:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
