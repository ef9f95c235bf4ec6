"""The programs that look at what stands in deploy/."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TIMEOUT = 120


def needed(program: str, package: str) -> str:
    """Where it is; without it the test is skipped, and says so."""
    found = shutil.which(program, path="/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin")
    if found is None:
        pytest.skip(f"NOT SHOWN HERE: {program.upper()} IS MISSING (apt-get install {package})")
    return found


def said(*command: str | Path, code: int = 0) -> str:
    """What a command says on both channels; it has to end so."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr
