"""Whatever a program may send by the description, and much that it may not: no fault, and answers as described."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import GenerationMode, checks
from schemathesis.core.result import Ok
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mailguard.web.api.application import described, routes
from tests.auth.test_authenticator import ANN
from tests.auth.test_signin import OPERATOR

if TYPE_CHECKING:
    from schemathesis.schemas import APIOperation

    from tests.web.api.conftest import Site
    from tests.web.conftest import Portal

EXAMPLES = 4  # of each operation, of each kind: what fits the description, and what does not
CHECKS = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


async def test_no_request_finds_a_fault(portal: Portal, site: Site) -> None:
    await portal.store.accounts.add(ANN, actor=OPERATOR)
    asked = await asyncio.to_thread(_ask_everything, site)
    assert asked > 200


def _ask_everything(site: Site) -> int:
    asked = 0
    with requests.Session() as session:
        session.verify = str(site.ca)
        session.headers["authorization"] = f"Bearer {site.key}"
        for found in from_dict(described(routes())).get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            for mode in _modes(operation):
                asked += _ask(operation, mode, site, session)
    return asked


def _modes(operation: APIOperation[Any, Any, Any, Any]) -> list[GenerationMode]:
    takes = list(operation.iter_parameters()) or operation.body
    return [GenerationMode.POSITIVE, GenerationMode.NEGATIVE] if takes else [GenerationMode.POSITIVE]


def _ask(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, site: Site, session: requests.Session
) -> int:
    asked = 0

    @hypothesis.seed(1)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(mode), known=hypothesis.strategies.booleans())
    def ask(case: schemathesis.Case[Any], known: bool) -> None:
        nonlocal asked
        if known and "name" in (case.path_parameters or {}):
            case.path_parameters["name"] = ANN
        answer = case.call(base_url=f"{site.portal}/api/v1", session=session, verify=str(site.ca))
        case.validate_response(answer, checks=CHECKS)
        asked += 1

    ask()
    return asked
