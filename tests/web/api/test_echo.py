"""Whatever does not fit is refused without being repeated: somebody will send a password in the wrong place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mailguard.web.edge import FORM_OCTETS, IMPORT_OCTETS
from tests.auth.test_authenticator import ANN
from tests.web.api.test_rights import BODIES, operations

if TYPE_CHECKING:
    from tests.web.api.conftest import Program

CANARY = "hunter2horse"


async def test_no_refusal_repeats_what_was_sent(owner: Program) -> None:
    await owner("POST", "/accounts", {"name": ANN})
    for method, path, operation in operations():
        good = BODIES.get(operation["operationId"])
        fields = operation.get("requestBody", {}) and json.loads(json.dumps(good))
        pages = [
            await owner(method, path.replace(ANN, f"{CANARY}@@").replace("nothere", CANARY), good),
            await owner(method, path.replace("nothere", CANARY), good),
        ]
        if good is not None:
            bad: list[object] = [{**fields, CANARY: 1}, {**fields, "x": CANARY}, CANARY, [CANARY], None, {CANARY: {}}]
            bad += [{**fields, name: value} for name in fields for value in (CANARY, [CANARY], f"{CANARY},{CANARY}\n")]
            if path.endswith("/import"):
                bad += [{"accounts": [{"name": f"{CANARY} x"}]}, {"accounts": [{"name": ANN, "group": CANARY}]}]
            pages += [await owner(method, path, json.dumps(each).encode()) for each in bad]
            pages += [await owner(method, path, f'{{"{CANARY}": '.encode()), await owner(method, path, CANARY.encode())]
        for parameter in [*(each["name"] for each in operation.get("parameters", []) if each["in"] == "query"), CANARY]:
            if parameter != "text":
                pages.append(await owner(method, f"{path}?{parameter}={CANARY}%00", good))
        for page in pages:
            assert page.status < 500, (operation["operationId"], page.text)
            assert page.status < 400 or CANARY not in page.text, (operation["operationId"], page.text)
            if page.status >= 400:
                assert set(json.loads(page.text)) == {"error", "field"}


async def test_what_is_no_json_is_no_fault(owner: Program) -> None:
    for body in (b"", b"\xff\xfe", b"[" * 50_000, b'{"name": "\\ud800"}', b"null", b"NaN", b'{"name": 1e999}'):
        page = await owner("POST", "/accounts", body)
        assert (page.status, json.loads(page.text)["field"].partition(".")[0]) == (422, "body")


@pytest.mark.parametrize(("path", "most"), [("/accounts", FORM_OCTETS), ("/accounts/import", IMPORT_OCTETS)])
async def test_too_much_is_refused_before_it_is_read(owner: Program, path: str, most: int) -> None:
    page = await owner("POST", path, json.dumps({"name": "a" * most}).encode())
    assert page.status == 413
    assert set(json.loads(page.text)) == {"error", "field"}


async def test_the_field_that_does_not_fit_is_named(owner: Program) -> None:
    await owner("POST", "/accounts", {"name": ANN})
    for body, field in (
        ({"label": "phone", "networks": ["192.0.2.0/24", "nowhere"]}, "body.networks.1"),
        ({"label": ""}, "body.label"),
        ({}, "body.label"),
        ({"label": "phone", "colour": "red"}, "body"),
    ):
        page = await owner("POST", f"/accounts/{ANN}/claim-links", body)
        assert page.status == 422
        assert json.loads(page.text)["field"].startswith(field), page.text
    page = await owner("POST", "/accounts", {"name": ANN, "group": "nogroup"})
    assert json.loads(page.text) == {"error": "there is no such group in the configuration", "field": "body.group"}
