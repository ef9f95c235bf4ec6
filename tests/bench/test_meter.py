"""CPU and memory of a process and all that it started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.meter import Meter, thread_seconds

# A process with a child; the child's work and memory are the tree's. It says when, and ends with its standard input.
PROGRAM = """
import os, sys
if os.fork() == 0:
    kept = bytearray(b"x" * 30_000_000)
    sum(number * number for number in range(1_000_000))
    print("done", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        yield process


def test_a_tree_is_counted_whole(parent: subprocess.Popen[bytes]) -> None:
    meter = Meter(parent.pid)
    pids = meter.pids()
    assert pids[0] == parent.pid
    assert len(pids) == 2
    assert meter.cpu() == pytest.approx(sum(map(thread_seconds, pids)))
    assert thread_seconds(pids[1]) > 0
    assert meter.memory() > 30_000_000
    assert meter.threads() == 2
    assert meter.descriptors() >= 6


def test_nobody_costs_nothing() -> None:
    assert (Meter(0).cpu(), Meter(0).memory(), Meter(0).pids()) == (0, 0, [])


def test_who_has_ended_costs_nothing(parent: subprocess.Popen[bytes]) -> None:
    parent.kill()
    parent.wait()
    assert Meter(parent.pid).cpu() == 0
    assert os.getpid() in Meter(os.getpid()).pids()
