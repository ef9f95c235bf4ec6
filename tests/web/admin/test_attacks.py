"""What somebody gets who sends forms by hand: exactly what the gate answers, on every route that changes anything."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fastapi.routing import APIRoute

from mailguard.auth.events import Event
from mailguard.auth.roles import Role
from mailguard.config import Backend
from mailguard.web import paths
from mailguard.web.admin.steps import PARTS, WHOLE
from mailguard.web.app import application
from mailguard.web.house import Held
from mailguard.web.visit import posted
from tests.web.admin.conftest import AWAY, BOB, CHIEF, Offices
from tests.web.admin.test_accounts import app_password
from tests.web.admin.test_records import connected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mailguard.auth.accounts import AccountName
    from tests.web.browser import Browser
    from tests.web.conftest import Portal

SECOND = CHIEF.replace("chief", "second")
HELPERS = {
    "unlock",
    "revoke-all",
    "end-sessions",
    "app-password",
    "session",
    "browser",
    "bypass",
    "enrolment-code",
    "claim-link",
}
OWNERS = {"suspend", "resume", "remove", "reset", "reset-all", "authenticator", "change", "bypass-enrols"}
ORDER = (
    *("browser", "session", "app-password", "authenticator"),
    *sorted((HELPERS | OWNERS) - {"browser", "session", "app-password", "authenticator", "remove"}),
    "remove",
)
FORMS = {
    "bypass": {"hours": "1"},
    "bypass-enrols": {"hours": "1", "may_enrol": "1"},
    "claim-link": {"label": "phone"},
    "change": {"group": "", "role": "auditor", "limit": "domain:example.org"},
}


async def things(offices: Offices, name: AccountName) -> dict[str, str]:
    """One thing of each kind that an account has; its id. No grant and no passkey: they take a login and a device."""
    offices.portal.hands.at += 30
    await offices.enter(name)
    (browser,) = await offices.portal.store.portal_sessions.list(name)
    (device,) = await offices.portal.store.devices.list(name)
    return {
        "authenticator": device.id,
        "app-password": await app_password(offices, name, "phone"),
        "session": await connected(offices, name),
        "browser": browser.id,
    }


async def answers(browser: Browser, name: str, items: dict[str, str]) -> dict[str, int]:
    """What each act on this account is answered, sent without opening its page."""
    token = (await browser.get("/admin")).form()["token"]
    found = {}
    for step in ORDER:
        path = f"/admin/accounts/{name}/{step.removesuffix('-enrols')}" + (f"/{items[step]}" if step in items else "")
        found[step] = (await browser.post(path, {"token": token, **FORMS.get(step, {})})).status
    return found


async def test_a_change_of_nothing_is_refused_too(offices: Offices) -> None:
    browser = await offices.administrator(Role.HELPDESK)
    await offices.account(BOB)
    token = (await browser.get("/admin")).form()["token"]
    page = await browser.post(f"/admin/accounts/{BOB}/change", {"token": token, "group": "", "role": "", "limit": ""})
    assert page.status == 403
    assert (await offices.portal.events())[-1] is Event.ACT_REFUSED


def test_the_table_holds_every_step() -> None:
    assert set(WHOLE) | set(PARTS) - {"grant", "passkey"} <= HELPERS | OWNERS


@pytest.mark.parametrize(
    ("role", "limit", "allowed", "outside"),
    [
        (Role.AUDITOR, "", set(), set()),
        (Role.HELPDESK, "", HELPERS, HELPERS),
        (Role.HELPDESK, "domain:example.org", HELPERS, set()),
        (Role.OWNER, "domain:example.org", HELPERS | OWNERS, set()),
    ],
)
async def test_each_role_gets_what_the_gate_gives_it(
    offices: Offices, role: Role, limit: str, allowed: set[str], outside: set[str]
) -> None:
    offices.portal.settings = replace(
        offices.portal.settings, backend={"imap": Backend(host="store.internal", port=993)}
    )
    await offices.administrator(role, limit)
    for name in (BOB, AWAY):
        await offices.account(name)
        await offices.enrolled(name)
    items = {name: await things(offices, name) for name in (BOB, AWAY)}
    offices.portal.hands.at += 30
    browser = await offices.enter(CHIEF)
    for name, passes in ((AWAY, outside), (BOB, allowed)):
        before = len(await offices.portal.events())
        found = await answers(browser, name, items[name])
        assert {step for step, status in found.items() if status not in (403, 404)} == passes
        assert {status for step, status in found.items() if step not in passes} <= {403, 404}
        if not passes:
            assert set((await offices.portal.events())[before:]) <= {Event.ACT_REFUSED}


@pytest.mark.parametrize("role", [Role.HELPDESK, Role.AUDITOR])
async def test_towards_administrators_a_helper_does_nothing_whatever(offices: Offices, role: Role) -> None:
    await offices.administrator(role)
    await offices.account(BOB, Role.AUDITOR)
    await offices.enrolled(BOB)
    items = await things(offices, BOB)
    offices.portal.hands.at += 30
    browser = await offices.enter(CHIEF)
    assert set((await answers(browser, BOB, items)).values()) == {403}


async def test_helpers_make_no_accounts_no_lists_no_keys_and_cut_nobody_off(offices: Offices) -> None:
    browser = await offices.administrator(Role.HELPDESK)
    token = (await browser.get("/admin")).form()["token"]
    forms: Iterable[tuple[str, dict[str, str]]] = (
        ("/admin/accounts/import", {"lines": BOB, "sure": "1"}),
        ("/admin/keys/add", {"label": "x", "days": "1", "role": "auditor", "scopes": "read"}),
        ("/admin/sessions/end-all", {}),
    )
    for path, form in forms:
        assert (await browser.post(path, {"token": token, **form})).status == 403, path
    page = await browser.post("/admin/accounts/add", {"token": token, "address": BOB})
    assert page.status == 403
    assert await offices.portal.store.accounts.get(BOB) is None


async def test_whoever_lost_the_role_meanwhile_acts_no_more(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    token = (await browser.get("/admin")).form()["token"]
    other = await offices.administrator(Role.OWNER, name=SECOND)  # type: ignore[arg-type]  # canonical
    await other.fill(f"/admin/accounts/{CHIEF}/change", group="", role="auditor", limit="")
    page = await browser.post(f"/admin/accounts/{BOB}/suspend", {"token": token})
    assert page.status not in (200,)
    account = await offices.portal.store.accounts.get(BOB)
    assert account is not None
    assert not account.suspended


@pytest.mark.parametrize("token", ["", "x", "é"])
async def test_no_act_without_the_forms_token(offices: Offices, token: str) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    assert (await browser.post(f"/admin/accounts/{BOB}/suspend", {"token": token})).status == 403
    assert Event.ACCOUNT_SUSPENDED not in await offices.portal.events()


def routes(found: Iterable[object]) -> Iterator[APIRoute]:
    """All routes of pages, those of included routers too."""
    for each in found:
        if isinstance(each, APIRoute):
            yield each
        elif (inner := getattr(each, "original_router", None)) is not None:
            yield from routes(inner.routes)


async def test_every_form_of_every_page_demands_its_token(portal: Portal) -> None:
    app = application(Held(portal.house))._app  # type: ignore[attr-defined]  # what is behind the edge
    changing = [route for route in routes(app.routes) if not {"GET", "HEAD"}.issuperset(route.methods or ())]
    bare = {
        route.path
        for route in changing
        if posted not in {each.call for each in route.dependant.dependencies} and not paths.is_api(route.path)
    }
    assert len(changing) > 20
    # Nobody is signed in there: the second page has a token of its own, a one-time link is one itself, and mail
    # programs bring no cookie.
    assert bare == {paths.SIGN_IN, paths.SECOND, "/set-up-device/{token}", "/{spelled:autodiscover}"}


async def test_no_secret_stands_in_an_address(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    token = (await browser.get(f"/admin/accounts/{BOB}/bypass")).form()["token"]
    answer = await browser.post(f"/admin/accounts/{BOB}/bypass", {"token": token, "hours": "1"})
    secret = re.search(r'<code id="secret">([^<]+)</code>', answer.text)
    assert answer.status == 200
    assert secret is not None
    assert answer.location == ""
    assert answer.headers["cache-control"] == "no-store"
    assert secret[1] not in str([each.row for each in await offices.portal.store.audit.list()])
