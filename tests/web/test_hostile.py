"""Every route of the application, whatever it will be one day, with what no browser of an honest person sends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from mailguard.auth.attempt import Factor, MailProtocol, Origin
from mailguard.auth.roles import Role
from mailguard.auth.standing import SignedIn, Standing
from mailguard.desk import app_passwords
from mailguard.desk.app_passwords import Wish
from mailguard.store.portal_sessions import Browser as Window
from mailguard.web import cookies
from mailguard.web.app import application
from tests.web.admin.conftest import CHIEF, Offices
from tests.web.conftest import Portal
from tests.web.portal.conftest import with_doors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.web.browser import Browser, Page

MOST = 60_000  # octets of a form
LATEST = 2**62  # a revision after every ending: one form ends all sessions, and the next one is to be looked at too
MARK = "<b>x'\"&"  # that must not stand like this in any page
TYPED = {
    "empty": "",
    "lines": f"a\0b\r\nset-cookie: a=b\r\n\r\n{MARK}",
    "huge": "9" * 30_000,
    "letters": f"=cmd|\u202egnp.exe\u2028\ufeff\udcff/../١٢٣{MARK}",
    "format": "{0}%s{token}%(x)d",
    "no number": "nan",
    "endless": "-inf",
    "number": "99999999999999999999999",
}
_FIELD = re.compile(r'name="([a-z_]+)"')


@dataclass(frozen=True)
class Door:
    """A route of the application."""

    method: str
    path: str
    fields: frozenset[str]
    asked: frozenset[str]  # behind the question mark

    def filled(self, value: str) -> str:
        return re.sub(r"\{[^}]+\}", lambda _: quote(octets(value[:2000]), safe="") or "x", self.path)


def octets(value: str) -> bytes:
    return value.encode(errors="surrogateescape")


def doors() -> Iterator[Door]:
    """All of them, as the application knows them; with every field that any form of ours has."""
    templates = resources.files("mailguard.web").joinpath("templates")
    named = {name for each in templates.iterdir() for name in _FIELD.findall(each.read_text(encoding="utf-8"))}
    pending = list(application(None)._app.routes)  # type: ignore[arg-type,attr-defined]
    while pending:
        match pending.pop():
            case APIRoute() as route:
                own = {each.alias for each in route.dependant.body_params}
                methods = sorted(route.methods or ())
                asked = frozenset({each.alias for each in route.dependant.query_params})
                for method in methods:
                    yield Door(method, route.path, frozenset(named | own) - {"token"}, asked)
            case other:
                router = getattr(other, "original_router", None)
                pending += router.routes if isinstance(router, APIRouter) else []


DOORS = sorted(doors(), key=lambda door: (door.path, door.method))


@dataclass
class Owner:
    """An owner of everything who signed in a moment ago: nobody gets further with what they type."""

    portal: Portal
    signed: SignedIn
    browser: Browser

    async def knock(self, door: Door, value: str, *, token: str | None = None) -> Page:
        """One request, in a session of its own: some of them end it."""
        session, address = cookies.new_token(), Origin.of(self.browser.address, 1)
        await self.portal.store.portal_sessions.open(self.signed, Window(cookies.digest(session), address, MARK))
        self.browser.cookies = {cookies.SESSION: session}
        query = "&".join(f"{name}={quote_plus(octets(value))}" for name in sorted(door.asked))
        path = f"{door.filled(value)}?{query}"
        if door.method != "POST":
            return await self.browser.send(door.method, path)
        most = MOST * len(value) // (len(door.fields) * len(quote_plus(octets(value))) or 1)
        fields = dict.fromkeys(sorted(door.fields), octets(value[:most]))
        return await self.browser.post(
            path, {**fields, "token": cookies.form_token(session) if token is None else token}
        )


@pytest.fixture
async def owner(portal: Portal) -> Owner:
    offices, portal.settings = Offices(portal), with_doors(portal.settings)
    account = await offices.account(CHIEF, Role.OWNER)
    device = await offices.enrolled(CHIEF)
    signed = SignedIn(CHIEF, account.id, Standing.FULL, Factor.CODE, device, LATEST, portal.hands.at)
    await app_passwords.issue(portal.desk, signed, Wish(MARK, frozenset({MailProtocol.IMAP})))
    return Owner(portal, signed, portal.browser())


@pytest.mark.parametrize("value", TYPED.values(), ids=TYPED)
async def test_no_page_fails_at_what_is_typed(owner: Owner, value: str) -> None:
    for door in DOORS:
        page = await owner.knock(door, value)
        where = (door.method, door.path, page.status)
        assert page.status < 500, where
        assert MARK.encode() not in page.body, where
        assert not any(line.startswith("a=") for line in page.set_cookies), where


@pytest.mark.parametrize("taken", ["no token", "another's token"])
async def test_no_form_is_taken_without_its_token(owner: Owner, taken: str) -> None:
    """Whoever is signed in: the three that take none answer somebody without a session."""
    open_to_all = {"/sign-in", "/sign-in/second", "/set-up-device/{token}", "/{spelled:autodiscover}"}
    token = "" if taken == "no token" else cookies.form_token(cookies.new_token())
    for door in DOORS:
        if door.method in ("GET", "HEAD") or door.path in open_to_all:
            continue
        page = await owner.knock(door, "android", token=token)
        assert page.status == 403, (door.path, page.status)
