"""A foreground daemon that belongs to the test run: started, waited for, its log read, ended whatever happens."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PORTS = range(
    20000, 32768
)  # below the range that the kernel hands to clients, so that none of these is taken meanwhile
START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0


class DaemonError(Exception):
    """A daemon did not start; the text holds its log."""


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise DaemonError(f"no {count} free ports on loopback")


@dataclass(frozen=True, slots=True)
class Log:
    """A daemon's log file, readable from a mark."""

    path: Path

    def mark(self) -> int:
        """Where the log ends now."""
        return self.path.stat().st_size if self.path.exists() else 0

    def since(self, mark: int = 0) -> str:
        """The text behind a mark."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(mark)
            return file.read().decode("utf-8", "replace")

    def wait_for(self, pattern: str, mark: int = 0, timeout: float = 30.0) -> re.Match[str]:
        """The first match behind the mark; AssertionError with the log's end where none comes."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            found.extend(re.finditer(pattern, self.since(mark)))
            return bool(found)

        assert eventually(look, timeout), f"{self.path.name}: no {pattern!r} in\n{self.since(mark)[-4000:]}"
        return found[0]


def eventually(true: Callable[[], bool], timeout: float) -> bool:
    """Ask until it is true; another process's state has no event to wait on."""
    end = time.monotonic() + timeout
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def listening(port: int) -> bool:
    """Somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    log: Log,
    ports: Sequence[int],
    environment: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon in the foreground until it listens on all its ports; end it at the end.

    It also ends when the test run is killed: the kernel sends it SIGTERM then.
    """
    with log.path.open("ab") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=environment,
            pass_fds=descriptors,
        )
    try:
        _await_start(process, command, log, ports)
        yield process
    finally:
        stop(process)


def _await_start(process: subprocess.Popen[bytes], command: Sequence[str], log: Log, ports: Sequence[int]) -> None:
    def settled() -> bool:
        return process.poll() is not None or all(listening(port) for port in ports)

    if not eventually(settled, START_TIMEOUT) or process.poll() is not None:
        raise DaemonError(f"{' '.join(command)}: not listening on {list(ports)}; its log:\n{log.since()[-8000:]}")


def stop(process: subprocess.Popen[bytes]) -> int:
    """SIGTERM, then SIGKILL for its whole session where it does not end by itself; the exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()
