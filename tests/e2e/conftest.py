"""The stack for the whole run, and the daemons' logs beside every failure."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.e2e.clients import absent
from tests.e2e.daemon import Log
from tests.e2e.guard import Guard, serving
from tests.e2e.stack import Stack, missing, running_stack
from tests.support.certs import Authority, Issued

_LOGS = pytest.StashKey[dict[str, tuple[Log, int]]]()


@pytest.fixture(scope="session")
def stack(authority: Authority, localhost: Issued) -> Iterator[Stack]:
    """Real Dovecot and Postfix."""
    if reason := missing():
        absent(reason)
    with running_stack(authority, localhost) as running:
        yield running


@pytest.fixture(scope="session")
def guard_own(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """The guard with login `own`: the user's own password opens the store."""
    with serving(stack, tmp_path_factory.mktemp("own"), "own") as guard:
        yield guard


@pytest.fixture(scope="session")
def guard_master(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """The guard with login `master` and an identity listener."""
    with serving(stack, tmp_path_factory.mktemp("master"), "master") as guard:
        yield guard


@pytest.fixture(autouse=True)
def _logs_of_this_test(request: pytest.FixtureRequest) -> None:
    """Remember where the logs stand, so that a failure shows what this test added."""
    logs: dict[str, Log] = {}
    for name in request.fixturenames:
        if name == "stack":
            logs |= request.getfixturevalue(name).logs
        elif name in ("guard_own", "guard_master"):
            logs[name] = request.getfixturevalue(name).log
    request.node.stash[_LOGS] = {name: (log, log.mark()) for name, log in logs.items()}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach to a failure what the daemons logged during the test."""
    report = yield
    if report.failed:
        for name, (log, mark) in item.stash.get(_LOGS, {}).items():
            report.sections.append((f"log of {name}", log.since(mark)[-20000:]))
    return report
