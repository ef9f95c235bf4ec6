"""The stack for the whole run, and the daemons' logs beside every failure."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import pytest

from tests.e2e.clients import absent
from tests.e2e.daemon import Log
from tests.e2e.guard import Guard, serving
from tests.e2e.slapd import Slapd, running_slapd
from tests.e2e.slapd import missing as slapd_missing
from tests.e2e.stack import Stack
from tests.support.certs import Authority, Issued

HERE = Path(__file__).parent
_SEEN = pytest.StashKey[dict[Path, int]]()


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


@pytest.fixture(scope="session")
def slapd(authority: Authority, localhost: Issued) -> Iterator[Slapd]:
    """A real directory."""
    if reason := slapd_missing():
        absent(reason)
    with running_slapd(localhost, authority.ca) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the daemons: `-m "not e2e"` leaves it out."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("e2e")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it loudly where real daemons were not asked."""
    real = ("tests/e2e/", "tests/browser/")
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if report.nodeid.startswith(real)]
    if skipped:
        terminalreporter.section(
            f"{len(skipped)} TESTS AGAINST REAL DAEMONS, OR BY A REAL BROWSER, DID NOT RUN",
            sep="*",
            red=True,
            bold=True,
        )
        for reason in sorted({report.longrepr[2] for report in skipped}):
            terminalreporter.line(reason, red=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach to a failure what the daemons logged since the test before."""
    report = yield
    seen = item.config.stash.setdefault(_SEEN, {})
    for name, log in _logs(getattr(item, "funcargs", {}).values()).items():
        if report.failed:
            report.sections.append((f"log of {name}", log.since(seen.get(log.path, 0))[-20000:]))
        if call.when == "teardown":
            seen[log.path] = log.mark()
    return report


def _logs(fixtures: Iterable[object]) -> dict[str, Log]:
    logs: dict[str, Log] = {}
    for value in fixtures:
        match value:
            case Stack():
                logs |= value.logs
            case Slapd():
                logs["slapd"] = value.log
            case Guard():
                logs |= value.stack.logs
                logs[f"mailguard in {value.configuration.parent.name}"] = value.log
    return logs
