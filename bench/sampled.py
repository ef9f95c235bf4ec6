"""`python -m bench.sampled …`: the guard, with every process of it looked at while it runs.

Whenever a process has used a few milliseconds of CPU, each of its threads is asked how much of that was its own, which
is put down at the function it is in. C code counts as the function that called it. SIGRTMIN writes all counts so far
to `samples.PID` in the folder of the configuration.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

INTERVAL = 0.001  # seconds of CPU; the kernel's tick makes it a few


class Sampler:
    """What one process spent its CPU on, in nanoseconds a function."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spent: Counter[str] = Counter()
        self._clocks: dict[int, int] = {}

    def start(self) -> None:
        """Begin, in a process that was just forked."""
        self._spent.clear()
        self._clocks.clear()
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(signal.SIGRTMIN, self._write)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)

    def _sample(self, _number: int, interrupted: FrameType | None) -> None:
        frames = sys._current_frames()
        frames[threading.get_ident()] = interrupted or frames[threading.get_ident()]  # not this very function
        for ident, frame in frames.items():
            try:
                now = time.clock_gettime_ns(time.pthread_getcpuclockid(ident))
            except OSError:  # it has ended meanwhile
                continue
            before = self._clocks.get(ident)
            self._clocks[ident] = now
            if before is not None:
                code = frame.f_code
                self._spent[f"{code.co_filename}:{code.co_qualname}"] += now - before

    def _write(self, _number: int, _frame: FrameType | None) -> None:
        path = self._folder / f"samples.{os.getpid()}"
        written = path.with_suffix(".new")
        written.write_text(json.dumps(self._spent))
        written.rename(path.with_name(f"{path.name}.json"))


def main() -> None:
    """The guard's own command line."""
    from mailguard.cli.main import main as guard

    folder = Path(sys.argv[sys.argv.index("--config") + 1]).parent
    os.register_at_fork(after_in_child=Sampler(folder).start)
    guard()


if __name__ == "__main__":
    main()
