"""What the API does, over real records."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import TYPE_CHECKING

import pytest

from mailguard.auth.accounts import AccountKind, AccountName
from mailguard.cli import account, api_key, app_password, grant, passkey, session, totp
from mailguard.web.api.shapes import accounts as accounts_shapes
from mailguard.web.api.shapes import app_passwords as app_passwords_shapes
from mailguard.web.api.shapes import factors as factors_shapes
from mailguard.web.api.shapes import live, standing
from tests.auth.test_authenticator import ANN
from tests.auth.test_signin import OPERATOR
from tests.web.api.conftest import Program

if TYPE_CHECKING:
    from types import ModuleType

    from mailguard.web.api.shapes.base import Shape
    from tests.web.conftest import Portal

BOB = AccountName("bob@example.org")
MANY = [f"p{number:02}@example.org" for number in range(7)]


async def test_an_account_is_made_found_and_removed(owner: Program) -> None:
    page = await owner("POST", "/accounts", {"name": "Ann@Example.org"})
    made = json.loads(page.text)
    assert (page.status, made["name"], made["role"], made["suspended"]) == (201, ANN, "", False)
    assert (await owner("POST", "/accounts", {"name": ANN})).status == 409
    found = await owner.read("/accounts?text=ann")
    assert [each["account"] for each in found["items"]] == [made]
    detail = await owner.read(f"/accounts/{ANN}")
    assert detail["account"] == made
    assert detail["guesses"]["wrong_in_a_row"] == detail["app_passwords"] == 0
    assert (await owner("DELETE", f"/accounts/{ANN}")).status == 204
    assert (await owner("DELETE", f"/accounts/{ANN}")).status == 404
    assert (await owner("GET", f"/accounts/{ANN}")).status == 404


async def test_pages_follow_each_other_within_bounds(owner: Program) -> None:
    await owner("POST", "/accounts/import", {"accounts": [{"name": name} for name in MANY]})
    seen, after = [], ""
    while True:
        page = await owner.read(f"/accounts?size=3{after}")
        assert page["total"] == len(MANY)
        seen += [each["account"]["name"] for each in page["items"]]
        if page["after"] is None:
            break
        after = f"&after={page['after']}"
    assert seen == MANY
    for size in (0, -1, 201, 10**30, "x"):
        assert (await owner("GET", f"/accounts?size={size}")).status == 422
    assert (await owner("GET", "/accounts?suspendid=true")).status == 422  # a misspelt filter is not: everything
    rows, before = [], ""
    while True:
        leaf = await owner.read(f"/audit?size=3&event=account-added{before}")
        rows += [each["account"] for each in leaf["items"]]
        if leaf["before"] is None:
            break
        before = f"&before={leaf['before']}"
    assert rows == MANY[::-1]


async def test_an_import_says_whom_it_made(owner: Program) -> None:
    await owner("POST", "/accounts", {"name": ANN})
    listed = [{"name": ANN}, {"name": "ben@example.org"}]
    for dry_run in (True, False):
        page = await owner("POST", "/accounts/import", {"accounts": listed, "dry_run": dry_run})
        assert json.loads(page.text) == {"added": ["ben@example.org"], "there": [ANN]}
    twice = [{"name": "new@example.org"}, {"name": "bad name@example.org"}]
    assert (await owner("POST", "/accounts/import", {"accounts": twice})).status == 422
    assert (await owner("GET", "/accounts/new@example.org")).status == 404  # nobody is made of a list that is wrong


async def test_suspended_and_back(owner: Program) -> None:
    await owner("POST", "/accounts", {"name": ANN})
    for act, suspended in (("suspend", True), ("suspend", True), ("resume", False)):
        assert (await owner("POST", f"/accounts/{ANN}/{act}")).status in (204, 409)
        assert (await owner.read(f"/accounts/{ANN}"))["account"]["suspended"] is suspended
    assert (await owner("POST", "/accounts/nobody@example.org/unlock")).status == 204


async def test_accounts_are_made_of_people_alone(portal: Portal, owner: Program) -> None:
    for kind in ("shared", "service", "person"):
        assert (await owner("POST", "/accounts", {"name": ANN, "kind": kind})).status == 422
    await portal.store.accounts.add(BOB, actor=OPERATOR, kind=AccountKind.SHARED)
    assert (await owner("POST", f"/accounts/{BOB}/claim-links", {"label": "desk"})).status == 403
    assert (await owner("POST", f"/accounts/{BOB}/claim-links", {"label": "desk", "person": ANN})).status == 422


async def test_what_is_made_for_its_owner_is_shown_once(portal: Portal, owner: Program) -> None:
    await owner("POST", "/accounts", {"name": ANN})
    link = json.loads((await owner("POST", f"/accounts/{ANN}/claim-links", {"label": "phone"})).text)
    assert link["secret"].startswith(f"{portal.settings.portal.public_url.rstrip('/')}/claim/")
    code = json.loads((await owner("POST", f"/accounts/{ANN}/enrolment-code")).text)
    listed = await owner.read(f"/accounts/{ANN}/codes")
    assert [(each["id"], each["usable"], each["kind"]) for each in listed] == [(code["id"], True, "enrolment")]
    everything = (await owner("GET", "/audit/export")).text + json.dumps(listed)
    for secret in (link["secret"].rpartition("/")[2], code["secret"], code["secret"].replace("-", "")):
        assert secret not in everything


async def test_a_bypass_for_a_while(portal: Portal, owner: Program) -> None:
    await portal.enrol()
    page = await owner("POST", f"/accounts/{ANN}/bypass", {"seconds": 3600})
    made = json.loads(page.text)
    assert (page.status, set(made)) == (201, {"id", "secret", "expires"})
    browser = await portal.signed_in(made["secret"])
    assert (await browser.get("/")).status == 200
    for seconds in (0, -5, 3 * 86400 + 1, 1e400, "1h"):
        assert (await owner("POST", f"/accounts/{ANN}/bypass", {"seconds": seconds})).status == 422


async def test_an_authenticator_is_removed_once(portal: Portal, owner: Program) -> None:
    await portal.enrol()
    (device,) = await owner.read(f"/accounts/{ANN}/authenticators")
    assert device["confirmed"]
    assert not {"seed", "secret"} & set(device)
    path = f"/accounts/{ANN}/authenticators/{device['id']}"
    answers = await asyncio.gather(*(owner("DELETE", path) for _ in range(5)))
    assert sorted(page.status for page in answers) == [204, 404, 404, 404, 404]


async def test_parallel_adds_make_one_account(owner: Program) -> None:
    answers = await asyncio.gather(*(owner("POST", "/accounts", {"name": ANN}) for _ in range(5)))
    assert sorted(page.status for page in answers) == [201, 409, 409, 409, 409]


async def test_an_empty_id_ends_nobody(owner: Program) -> None:
    await owner("POST", "/accounts", {"name": ANN})
    for path in ("/sessions/", "/sessions", "/grants/", f"/accounts/{ANN}/app-passwords/", "/accounts/", "/accounts"):
        assert (await owner("DELETE", path)).status in (404, 405)
    assert (await owner("GET", f"/accounts/{ANN}")).status == 200


async def test_the_record_comes_as_lines(owner: Program) -> None:
    await owner("POST", "/accounts", {"name": ANN})
    page = await owner("GET", f"/audit/export?account={ANN}")
    assert page.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in page.text.splitlines()]
    assert [(each["event"], each["account"], each["actor"]) for each in lines] == [
        ("account-added", ANN, f"api-key:{owner.key_id}")
    ]
    assert (await owner("GET", "/audit/export?account=nobody@example.org")).text == ""
    assert (await owner("GET", "/audit/export?since=2026-01-01T00:00:00")).status == 422  # of which zone?


async def test_how_things_stand(portal: Portal, owner: Program) -> None:
    await portal.store.accounts.add(AccountName(MANY[0]), actor=OPERATOR)
    assert (await owner.read("/overview"))["people"] == 1
    assert (await owner.read("/readiness"))["items"] == []
    assert {"key": "policy.two_factor", "value": '"optional"'} in (await owner.read("/policy"))["items"]
    assert all(each["key"].startswith("policy.") for each in (await owner.read("/policy"))["items"])
    assert (await owner.read("/dns"))["items"] == []
    (key,) = (await owner.read("/api-keys"))["items"]
    assert (key["id"], key["usable"]) == (owner.key_id, True)
    assert owner.key not in json.dumps(key)
    told = await owner.read(f"/accounts/{MANY[0]}/explain")
    assert told["exists"]
    assert told["troubles"] == []


async def test_a_browser_is_signed_out(portal: Portal, owner: Program) -> None:
    browser = await portal.with_factor()
    (seen,) = (await owner.read(f"/browsers?account={ANN}"))["items"]
    assert (seen["account"], seen["agent"]) == (ANN, "Tests/1.0")
    assert (await owner("DELETE", f"/accounts/{ANN}/browsers/{seen['id']}")).status == 204
    assert (await owner("DELETE", f"/accounts/{ANN}/browsers/{seen['id']}")).status == 404
    assert (await browser.get("/")).status == 303
    assert (await owner.read("/browsers"))["items"] == []


@pytest.mark.parametrize(
    ("shape", "command"),
    [
        (accounts_shapes.AccountRow, account),
        (factors_shapes.Authenticator, totp),
        (factors_shapes.PasskeyRow, passkey),
        (app_passwords_shapes.AppPasswordRow, app_password),
        (live.Session, session),
        (live.Grant, grant),
        (standing.ApiKeyRow, api_key),
    ],
)
def test_names_are_those_of_the_command_line(shape: type[Shape], command: ModuleType) -> None:
    source = inspect.getsource(command._row)
    assert not [name for name in shape.model_fields if f'"{name}":' not in source]
