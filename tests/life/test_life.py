"""An account's life, in any order, by two stores at one file and by two processes (SECURITY.md, promises 2 to 14)."""

import asyncio
import logging
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from mailguard import keyring
from mailguard.auth import recovery
from mailguard.keyring import Keyring
from mailguard.net.threads import Threads
from mailguard.store import Store
from mailguard.store.migrate import ensure
from tests.life.administrators import Administrators
from tests.life.guards import Came, Guard, Process, Try, quick_hash
from tests.life.machine import Ground
from tests.store.words import NOON

LIVES = settings(
    max_examples=12,
    stateful_step_count=45,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.generate,),  # a life that fails is short enough to read as it is; to shorten it takes minutes
    suppress_health_check=list(HealthCheck),
)


class Heard(logging.Handler):
    """What was logged since it was last asked."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.__dict__!r}")

    def __call__(self) -> str:
        lines, self.lines = self.lines, []
        return "\n".join(lines)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    handler, root = Heard(), logging.getLogger()
    monkeypatch.setattr(root, "handlers", [*root.handlers, handler])
    return handler


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_hash", quick_hash)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where that can be: no power is cut here, and a disk would take most of the time."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as name:
        yield Path(name)


@pytest.fixture
def empty(tmp_path: Path) -> bytes:
    ensure(tmp_path / "empty", NOON)
    return (tmp_path / "empty").read_bytes()


def test_a_life_at_two_stores(folder: Path, ring: Keyring, empty: bytes, heard: Callable[[], str]) -> None:
    guards: list[Guard] = []

    async def processes(database: Path) -> tuple[Process, ...]:
        for _ in range(2):
            store = await Store.open(f"sqlite:///{database}", ring, now=lambda: NOON)
            guards.append(Guard(store, ring, Threads()))
        return tuple(guards)

    async def close() -> None:
        while guards:
            guard = guards.pop()
            await guard.store.close()
            guard.threads.close()

    ground = Ground(folder, ring, empty, processes, close, heard)
    live(ground, LIVES)


def test_a_life_at_two_processes(folder: Path, empty: bytes, heard: Callable[[], str]) -> None:
    """The same with processes of their own: nothing that decides is shared but the file."""
    ring = keyring.create(folder / "keys.toml")
    command = [sys.executable, "-m", "tests.life.worker", str(folder / "keys.toml")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    workers = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]

    async def processes(database: Path) -> tuple[Process, ...]:
        return tuple(partial(elsewhere, worker) for worker in workers)

    async def close() -> None:
        """A process keeps a life's store until it ends."""

    try:
        ground = Ground(folder, ring, empty, processes, close, heard)
        few = settings(LIVES, max_examples=2, stateful_step_count=15)
        live(ground, few)
    finally:
        for worker in workers:
            worker.communicate()


async def elsewhere(worker: subprocess.Popen[bytes], told: Try) -> Came:
    return await asyncio.to_thread(decided, worker, told)


def live(at: Ground, how: settings) -> None:
    class Here(Administrators):
        ground = at

    run_state_machine_as_test(Here, settings=how)


def decided(worker: subprocess.Popen[bytes], told: Try) -> Came:
    """What another process says to an attempt."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    pickle.dump(told, worker.stdin)
    worker.stdin.flush()
    came: Came = pickle.load(worker.stdout)
    return came
