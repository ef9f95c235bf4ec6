"""Under a service manager: doors handed over, signs of life, a worker that hangs, a restart that refuses nobody."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from mailguard import keyring
from mailguard.auth.attempt import MailProtocol
from tests.deploy.tools import DEPLOY, needed, said
from tests.e2e.daemon import Log, free_ports, running
from tests.e2e.guard import KEYS, Guard, Tables, configure
from tests.e2e.programs import Program, connected, entered, until, workers
from tests.e2e.scripted import Passwords, Stage, names
from tests.support.certs import Authority, Issued
from tests.support.handing import handed

IMAP = MailProtocol.IMAP
PATIENCE = 60.0
WATCHDOG = 20.0  # seconds; a worker that is silent for half of it hangs
AT_ONCE: Tables = {"throttle": {"failure_delay": "0s"}, "server": {"drain": "1s"}}


@dataclass
class Manager:
    """The side of systemd: it keeps one door open, and listens."""

    folder: Path
    stage: Stage
    configuration: Path
    ports: list[int]
    door: socket.socket
    hearing: socket.socket
    log: Log

    def hear(self, wanted: str) -> dict[str, str]:
        """The next message that says this; those before it are passed over."""
        while True:
            told = dict(line.split("=", 1) for line in self.hearing.recv(4096).decode().splitlines())
            if wanted in told:
                return told

    @contextlib.contextmanager
    def run(self, *under: str) -> Iterator[Guard]:
        """Start the service, `under` a program that looks on; by `handed` it gets the first door."""
        command = [sys.executable, "-m", "mailguard", "--config", str(self.configuration), "serve"]
        name = self.hearing.getsockname()[1:].decode()
        environment = os.environ | {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": str(int(WATCHDOG * 1e6))}
        with running(
            [*under, *handed([self.door], command)],
            log=self.log,
            ports=self.ports[1:],  # at the first one the manager listens, service or not
            environment=environment,
            descriptors=[self.door.fileno()],
        ) as process:
            yield Guard(self.stage.stack, self.configuration, process, self.log, *self.ports)


@pytest.fixture
def manager(authority: Authority, localhost: Issued, tmp_path: Path) -> Iterator[Manager]:
    stage = Stage(authority, localhost, Passwords(names(5)))
    ports = free_ports(4)
    configuration = configure(stage.stack, tmp_path, "own", ports=ports, overrides=AT_ONCE)
    keyring.create(tmp_path / KEYS)
    with (
        stage.playing(),
        socket.create_server(("127.0.0.1", ports[0])) as door,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing,
    ):
        hearing.bind(f"\0mailguard-{uuid4().hex}")
        hearing.settimeout(PATIENCE)
        yield Manager(tmp_path, stage, configuration, ports, door, hearing, Log(tmp_path / "mailguard.log"))


async def _in(guard: Guard) -> Program:
    return await entered(guard, IMAP, (await guard.enrolled()).login())


async def test_the_service_manager_hears_of_the_whole_life(manager: Manager) -> None:
    with manager.run() as guard:
        assert manager.hear("READY") == {"READY": "1", "STATUS": "2 workers at 4 doors"}
        program = await _in(guard)  # by the door that was handed over
        assert manager.hear("WATCHDOG") == {"WATCHDOG": "1"}
        guard.process.send_signal(signal.SIGHUP)
        assert manager.hear("RELOADING")["MONOTONIC_USEC"].isdecimal()
        assert manager.hear("READY")
        assert await program.alive()
        program.close()
        guard.process.terminate()
        assert manager.hear("STOPPING")
        guard.process.wait(PATIENCE)


async def test_a_worker_that_hangs_is_ended_alone_and_replaced(manager: Manager) -> None:
    with manager.run() as guard:
        manager.hear("READY")
        doomed, other = workers(guard)
        os.kill(doomed, signal.SIGSTOP)
        guard.log.wait_for(rf'"some hang and are killed", "pids": "\[{doomed}\]"', timeout=PATIENCE)
        await until(lambda: len(set(workers(guard)) - {doomed}) == 2)
        assert other in workers(guard)
        assert manager.hear("WATCHDOG")
        (await _in(guard)).close()


async def test_who_connects_between_the_end_and_the_next_start_waits_and_is_served(manager: Manager) -> None:
    with manager.run():
        manager.hear("READY")
    with socket.create_connection(("127.0.0.1", manager.ports[0]), 5) as early:  # nobody serves now
        early.settimeout(PATIENCE)
        with manager.run() as guard:
            manager.hear("READY")
            assert (await connected(guard, IMAP)).greeting.startswith(b"* OK")
            assert guard.process.poll() is None
            context = guard.imap().context()
            with context.wrap_socket(early, server_hostname="localhost") as secured:
                assert secured.recv(4) == b"* OK"


def test_a_door_that_the_configuration_does_not_know_stops_the_start(manager: Manager) -> None:
    text = manager.configuration.read_text()
    manager.configuration.write_text(text.replace(f":{manager.ports[0]}", f":{free_ports(1)[0]}"))
    command = [sys.executable, "-m", "mailguard", "--config", str(manager.configuration), "serve"]
    done = subprocess.run(
        handed([manager.door], command),
        pass_fds=[manager.door.fileno()],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert f"127.0.0.1:{manager.ports[0]}: handed over by the service manager" in done.stderr
    assert "Traceback" not in done.stderr


async def test_the_unit_lets_every_system_call_pass_that_a_life_needs(manager: Manager) -> None:
    program, tracer = needed("systemd-analyze", "systemd"), needed("strace", "strace")
    traced = manager.folder / "calls"
    with manager.run(tracer, "-D", "-f", "-qq", "-c", "-U", "name", "-o", str(traced)) as guard:
        manager.hear("READY")
        (await _in(guard)).close()
        guard.process.send_signal(signal.SIGHUP)
        manager.hear("RELOADING")
        manager.hear("READY")
    await until(lambda: traced.exists() and "total" in traced.read_text())
    used = {line.split()[0] for line in traced.read_text().splitlines() if re.fullmatch(r"[a-z0-9_]+ *", line)}
    assert {"accept4", "prlimit64", "sendto"} <= used
    heads, of_root = {"syscall", "total"}, {"fchown"}  # SQLite calls it as root alone, which the service is not
    assert used - _allowed(program, (DEPLOY / "systemd/mailguard.service").read_text()) - heads - of_root == set()


def _allowed(program: str, unit: str) -> set[str]:
    """The system calls that the lines of SystemCallFilter leave, one after the other."""
    allowed: set[str] = set()
    for sign, sets in re.findall(r"^SystemCallFilter=(~?)(.*)$", unit, re.MULTILINE):
        named = {call for name in sets.split() for call in _calls(program, name)}
        allowed = allowed - named if sign else allowed | named | set(_calls(program, "@default"))
    return allowed


def _calls(program: str, name: str) -> Iterator[str]:
    """The members of a set, those of the sets in it too."""
    if not name.startswith("@"):
        yield name
        return
    for line in said(program, "syscall-filter", "--no-pager", name).splitlines()[1:]:
        if (member := line.strip()) and not member.startswith("#"):
            yield from _calls(program, member)
