"""Who gets in to the API, and what strangers are told: nothing."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from mailguard.admin import keys
from mailguard.admin.acting import operator
from mailguard.auth.events import Event
from mailguard.auth.roles import Role
from mailguard.store import Store
from mailguard.web.api.problems import NO_KEY
from tests.auth.test_authenticator import ANN
from tests.auth.test_signin import OPERATOR
from tests.web.api.conftest import Program, program_of
from tests.web.browser import HOST

if TYPE_CHECKING:
    from tests.web.conftest import Portal

WRONG = "mgk_" + "2" * 28
REALM = 'Bearer realm="mailguard"'


async def test_strangers_get_one_answer_everywhere(owner: Program) -> None:
    said = set()
    brought = ("", f"Bearer {WRONG}", "Bearer", f"Basic {owner.key}", f"Bearer {owner.key}x", owner.key)
    for path in ("/accounts", "/openapi.json", "/no/such/page", "/accounts/ann@example.org", "/"):
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            for header in brought:
                page = await owner(method, path, b"{", authorization=header)
                said.add((page.status, page.text, page.headers["www-authenticate"]))
    assert said == {(401, json.dumps({"error": NO_KEY, "field": ""}, ensure_ascii=False, separators=(",", ":")), REALM)}


async def test_a_key_opens_the_api(owner: Program) -> None:
    assert (await owner("GET", "/accounts")).status == 200
    assert (await owner("GET", "/accounts", authorization=f"bearer  {owner.key} ")).status == 200


async def test_two_keys_in_one_request_are_none(owner: Program) -> None:
    app, answered = owner.browser.app, []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        answered.append(message)

    line = (b"authorization", f"Bearer {owner.key}".encode())
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "https", "path": "/api/v1/accounts",
        "raw_path": b"/api/v1/accounts", "query_string": b"", "root_path": "", "client": ("192.0.2.7", 4000),
        "headers": [(b"host", HOST.encode()), line, line], "server": (HOST, 443),
    }  # fmt: skip
    await app(scope, receive, send)  # type: ignore[arg-type]
    assert answered[0]["status"] == 401


async def test_a_session_of_the_pages_gives_nothing(portal: Portal) -> None:
    browser = await portal.with_factor()
    await portal.store.accounts.change(ANN, actor=OPERATOR, role=Role.OWNER)
    page = await browser.get("/api/v1/accounts")
    assert page.status == 401
    assert not page.set_cookies


async def test_a_cookie_takes_nothing_away_either(owner: Program) -> None:
    owner.browser.cookies["__Host-mailguard"] = "nonsense"
    page = await owner("POST", "/accounts", {"name": "new@example.org"}, origin="https://evil.example")
    assert page.status == 201


async def test_a_key_that_ended_is_a_wrong_key(portal: Portal, owner: Program) -> None:
    await keys.revoke(portal.house.bureau, operator(OPERATOR), owner.key_id)
    assert (await owner("GET", "/accounts")).status == 401


async def test_wrong_keys_fill_neither_log_nor_record(
    portal: Portal, owner: Program, caplog: pytest.LogCaptureFixture
) -> None:
    rows = len(await portal.store.audit.list())
    with caplog.at_level(logging.DEBUG, "mailguard"):
        for _ in range(50):
            await owner("GET", "/accounts", authorization=f"Bearer {WRONG}")
        portal.hands.at += 61
        await owner("GET", "/accounts", authorization=f"Bearer {WRONG}")
    told = [record for record in caplog.records if "without a right key" in record.message]
    assert [record.__dict__["times"] for record in told] == [1, 50]
    assert WRONG not in caplog.text
    assert len(await portal.store.audit.list()) == rows
    assert (await owner("GET", "/accounts")).status == 200  # a neighbour's wrong keys shut nobody out


async def test_records_in_trouble_are_said(portal: Portal, owner: Program) -> None:
    assert isinstance(portal.store, Store)
    await portal.store.close()
    page = await owner("GET", "/accounts")
    assert page.status == 503
    assert json.loads(page.text) == {"error": "the records cannot be read or written now: try again later", "field": ""}


async def test_what_is_done_is_recorded_as_the_keys(portal: Portal, owner: Program) -> None:
    await owner("POST", "/accounts", {"name": ANN})
    rows = [each.row for each in await portal.store.audit.list()]
    assert [(row.event, row.account) for row in rows if row.actor == f"api-key:{owner.key_id}"] == [
        (Event.API_KEY_FIRST_USED, ""),
        (Event.ACCOUNT_ADDED, ANN),
    ]


async def test_answers_are_kept_by_nobody_and_framed_by_nobody(owner: Program) -> None:
    for page in (await owner("GET", "/accounts"), await owner("GET", "/accounts", authorization="")):
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"


async def test_another_key_is_another_program(portal: Portal, owner: Program) -> None:
    other = await program_of(portal, Role.AUDITOR)
    assert (await other("POST", "/accounts", {"name": ANN})).status == 403
    assert (await owner("POST", "/accounts", {"name": ANN})).status == 201
