"""A guard on files that are there already: run, and run once more after an end that left it no time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tests.e2e.daemon import Log, running
from tests.e2e.guard import Guard


@contextlib.contextmanager
def started(
    configuration: Path, ports: Sequence[int], log: Log, python: Sequence[str] = (sys.executable,)
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `mailguard serve` until it is ready, and end it at the end."""
    mark = log.mark()
    command = [*python, "-m", "mailguard", "--config", str(configuration), "serve"]
    with running(command, log=log, ports=ports) as process:
        log.wait_for(r'"ready"', mark, timeout=60)
        yield process


@contextlib.contextmanager
def restarted(guard: Guard) -> Iterator[Guard]:
    """Run it again on the same files, at the same doors."""
    ports = (guard.imap_port, guard.imap_starttls_port, guard.submission_port, guard.submission_starttls_port)
    with started(guard.configuration, ports, guard.log) as process:
        yield replace(guard, process=process)


def kill_everything(guard: Guard) -> None:
    """Supervisor and workers at one blow."""
    os.killpg(guard.process.pid, signal.SIGKILL)
    guard.process.wait()
