"""sd_notify: what a service manager hears at its socket."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from uuid import uuid4

import pytest

from mailguard.supervisor.notify import Notifier


def notifier(address: str) -> Notifier:
    return Notifier.of({"NOTIFY_SOCKET": address}, 1)


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@mailguard-{uuid4().hex}"


def test_each_message_is_one_datagram(address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(5)
        manager.bind(address.replace("@", "\0", 1))
        before = time.monotonic_ns() // 1000
        said = notifier(address)
        said.ready("2 workers")
        said.reloading()
        said.stopping("draining")
        said.alive()
        heard = [manager.recv(4096).decode().splitlines() for _ in range(4)]
    assert heard[0] == ["READY=1", "STATUS=2 workers"]
    assert heard[1][0] == "RELOADING=1"
    name, _, moment = heard[1][1].partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(moment) <= time.monotonic_ns() // 1000
    assert heard[2:] == [["STOPPING=1", "STATUS=draining"], ["WATCHDOG=1"]]


def test_nobody_who_asks_hears_nothing() -> None:
    notifier("").ready("2 workers")


def test_a_manager_that_is_gone_is_told_of_and_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier(str(tmp_path / "gone")).alive()
    assert [record.message for record in caplog.records] == ["the service manager does not hear us"]


def test_a_manager_that_does_not_read_holds_nothing_up(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address.replace("@", "\0", 1))
        said = notifier(address)
        while not caplog.records:
            said.alive()
    assert "WATCHDOG=1" in str(caplog.records[0].__dict__["detail"])


def test_children_find_none_of_it_in_their_environment() -> None:
    environ = {"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7", "PATH": "/bin"}
    assert Notifier.of(environ, 7) == Notifier("/run/n", 60.0)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "given",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}],
)
def test_a_watchdog_that_is_off_or_somebody_elses_is_not_fed(given: dict[str, str]) -> None:
    assert Notifier.of(dict(given), 7).watchdog is None
