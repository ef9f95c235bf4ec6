"""Under a service manager: doors handed over, signs of life, a worker that hangs, a restart that refuses nobody."""

from __future__ import annotations

import asyncio
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
from tests.e2e.load import app_password, under_load
from tests.e2e.programs import Program, children, connected, entered, until, workers
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
        with running(
            [*under, *handed([self.door], self._command)],
            log=self.log,
            ports=self.ports[1:],  # at the first one the manager listens, service or not
            environment=os.environ | self._told,
            descriptors=[self.door.fileno()],
        ) as process:
            yield Guard(self.stage.stack, self.configuration, process, self.log, *self.ports)

    @contextlib.contextmanager
    def activate(self, program: str) -> Iterator[Guard]:
        """Start the service by systemd's own tool, which opens all doors and runs it once somebody comes."""
        self.door.close()
        told = {**self._told, "PYTHONPATH": os.pathsep.join(sys.path)}
        options = [f"--setenv={name}={value}" for name, value in told.items()]
        doors = [f"--listen=127.0.0.1:{port}" for port in self.ports]
        command = [program, *doors, *options, *self._command]
        with running(command, log=self.log, ports=self.ports) as process:
            try:
                yield Guard(self.stage.stack, self.configuration, process, self.log, *self.ports)
            finally:
                os.killpg(process.pid, signal.SIGKILL)  # all generations

    @property
    def _command(self) -> list[str]:
        return [sys.executable, "-m", "mailguard", "--config", str(self.configuration), "serve"]

    @property
    def _told(self) -> dict[str, str]:
        name = self.hearing.getsockname()[1:].decode()
        return {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": str(int(WATCHDOG * 1e6))}


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


async def test_a_hand_over_under_load_keeps_the_sockets_of_the_manager_and_tells_it_who_follows(
    manager: Manager,
) -> None:
    program = needed("systemd-socket-activate", "systemd")
    manager.configuration.write_text(manager.configuration.read_text().replace('drain = "1s"', 'drain = "10m"'))
    with manager.activate(program) as guard:
        manager.hear("READY")
        login = await app_password(guard)
        before = await entered(guard, IMAP, login)
        async with under_load(guard, login) as load:
            guard.process.send_signal(signal.SIGUSR2)
            assert manager.hear("RELOADING")
            told = await asyncio.to_thread(manager.hear, "MAINPID")
            assert told["READY"] == "1"
            assert manager.hear("READY")["STATUS"] == "2 workers at 4 doors"  # by the next generation
            await load.more()
        assert load.failed == []
        assert await before.alive()
        next_one = int(told["MAINPID"])
        assert len(children(next_one)) == 2
        guard.process.terminate()
        guard.process.wait(PATIENCE)
        (await _in(guard)).close()
        os.kill(next_one, signal.SIGHUP)
        assert manager.hear("RELOADING")
        assert manager.hear("READY")


async def test_the_manager_hears_that_one_that_could_not_follow_changed_nothing(manager: Manager) -> None:
    with manager.run() as guard:
        manager.hear("READY")
        manager.configuration.write_text(manager.configuration.read_text().replace("workers = 2", "workers = 0"))
        guard.process.send_signal(signal.SIGUSR2)
        assert manager.hear("RELOADING")
        assert "MAINPID" not in manager.hear("READY")
        (await _in(guard)).close()


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
        guard.process.send_signal(signal.SIGUSR2)
        next_one = int(manager.hear("MAINPID")["MAINPID"])
        manager.hear("READY")
        os.kill(next_one, signal.SIGTERM)
    await until(lambda: traced.exists() and "total" in traced.read_text())
    used = {line.split()[0] for line in traced.read_text().splitlines() if re.fullmatch(r"[a-z0-9_]+ *", line)}
    assert {"accept4", "prlimit64", "sendto", "execve", "dup2"} <= used
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
