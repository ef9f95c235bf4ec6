"""Each operation × each role × each scope: what the description says is what the gate does."""

from __future__ import annotations

import inspect
import json
import pkgutil
from importlib import import_module
from itertools import product
from typing import TYPE_CHECKING, Any

import mailguard.admin
from mailguard.auth.roles import Role, Scope
from mailguard.web.api.application import NOUNS, described, routes
from tests.auth.test_authenticator import ANN
from tests.auth.test_signin import OPERATOR
from tests.web.api.conftest import ALL, program_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.web.conftest import Portal

BODIES: dict[str, object] = {
    "add_account": {"name": "new@example.org"},
    "import_accounts": {"accounts": [{"name": "listed@example.org"}]},
    "change_account": {"group": ""},
    "reset_factors": {},
    "issue_bypass": {"seconds": 60},
    "make_claim_link": {"label": "phone"},
}
LAST = ("reset_factors", "remove_account", "end_all_sessions")

# Functions of mailguard.admin that no route calls, and why.
NOT_HERE = {
    "keys.issue": "keys make no keys: one that leaked must not outlive its end",
    "keys.revoke": "the same",
    "keys.recognise": "the door's",
    "acting.operator": "a program is no operator",
    "bureau.named": "for acts",
    "bureau.nobody": "for acts",
    "bureau.everybody": "for acts",
    "gate.may": "asked below",
    "gate.may_give": "asked below",
    "gate.takes": "asked by the description",
}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description."""
    for path, methods in described(routes())["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path.format(name=ANN, id="nothere"), operation


async def test_roles_and_scopes_let_through_what_the_description_says(portal: Portal) -> None:
    await portal.store.accounts.add(ANN, actor=OPERATOR)
    wrong = []
    programs = {
        (role, scope): await program_of(portal, role, frozenset({scope}))
        for role, scope in product((Role.OWNER, Role.HELPDESK, Role.AUDITOR), Scope)
    }
    ordered = sorted(operations(), key=lambda each: each[2]["operationId"] in LAST)
    for method, path, operation in ordered:
        body = BODIES.get(operation["operationId"])
        # Those that are refused come first, and change nothing.
        for (role, scope), program in sorted(programs.items(), key=lambda each: each[0][0] in operation["x-roles"]):
            page = await program(method, path, body)
            lets = role in operation["x-roles"] and scope in operation["x-scopes"]
            if (page.status != 403) != lets or page.status in (401, 405, 422, 500):
                wrong.append((operation["operationId"], role, scope, page.status, page.text))
    assert not wrong


async def test_a_key_that_reaches_one_domain_learns_nothing_of_others(portal: Portal) -> None:
    away = "away@example.net"
    await portal.store.accounts.add(portal.house.bureau.canonical(away), actor=OPERATOR)
    program = await program_of(portal, Role.OWNER, ALL, limit="domain:example.org")
    for method, path, operation in operations():
        if ANN not in path:
            continue
        there, gone = [
            await program(method, path.replace(ANN, name), BODIES.get(operation["operationId"]))
            for name in (away, "nobody@example.net")
        ]
        assert (there.status, there.text) == (gone.status, gone.text), operation["operationId"]
        assert there.status == 403
    for name in (away, "nobody@example.net"):
        assert (await program("POST", "/accounts", {"name": name})).status == 403
        assert (await program("POST", "/accounts/import", {"accounts": [{"name": name}]})).status == 403
    assert away not in json.dumps([await program.read(path) for path in ("/accounts", "/audit", "/sessions")])
    assert away not in (await program("GET", "/audit/export")).text


async def test_towards_administrators_a_helpdesk_does_nothing(portal: Portal) -> None:
    await portal.store.accounts.add(ANN, actor=OPERATOR, role=Role.AUDITOR)
    program = await program_of(portal, Role.HELPDESK)
    for method, path, operation in operations():
        if ANN in path and method != "GET":
            page = await program(method, path, BODIES.get(operation["operationId"]))
            assert page.status == 403, operation["operationId"]


def test_all_that_administrators_do_has_a_route() -> None:
    rooms = [module.name for module in pkgutil.iter_modules(mailguard.admin.__path__)]
    called = "\n".join(inspect.getsource(noun) for noun in NOUNS)
    functions = {
        f"{room}.{name}"
        for room in rooms
        for name, what in vars(import_module(f"mailguard.admin.{room}")).items()
        if inspect.isfunction(what) and what.__module__ == f"mailguard.admin.{room}" and not name.startswith("_")
    }
    missing = {
        each
        for each in functions - set(NOT_HERE)
        if f"{each}(" not in called and f" {each.partition('.')[2]}(" not in called
    }
    assert not missing
    assert set(NOT_HERE) <= functions  # no reason outlives its function
