"""`mailguard serve` and `mailguard demo`: how they are refused."""

import socket
import subprocess
import sys

import pytest

from tests.cli.conftest import Installation


def test_a_port_that_is_taken_is_one_line_on_stderr(own: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        own.file.write_text(own.file.read_text().replace("0.0.0.0:993", address))
        command = [sys.executable, "-m", "mailguard", "--config", str(own.file), "serve"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert address in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_configuration_stops_the_start(own: Installation) -> None:
    own.file.write_text(own.file.read_text() + "\n[observ]\n")
    done = own("serve")
    assert (done.code, done.err) == (1, "config.toml: observ: is unknown; did you mean observe?\n")


def test_the_demo_says_what_it_needs(own: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymap", None)
    done = own("demo")
    assert done.code == 1
    assert "mailguard[demo]" in done.err


def test_the_demo_runs_for_a_length_of_time(own: Installation) -> None:
    done = own("demo", "--for", "twenty")
    assert done.code == 2
    assert "--for" in done.err
