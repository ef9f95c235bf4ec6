"""Where the daemons of a run have their files, and what ends them."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A place that every daemon's user may enter, gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="mailguard-bench-"))
    try:
        place.chmod(0o755)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def ended_by_sigterm(command: str) -> Iterator[None]:
    """SIGTERM and ^C end the daemons too, without a trace of the inside."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # which event loops know to end by
    try:
        yield
    except KeyboardInterrupt:
        print(f"\n{command}: stopped", file=sys.stderr)
        sys.exit(130)
