"""The example file is made from the declarations and can be loaded again."""

import re
import tomllib
from pathlib import Path

import pytest

from mailguard.config import load
from mailguard.config.example import main, render


def test_the_example_loads_with_all_its_doors(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(render())
    settings = load(tmp_path / "config.toml")
    assert [(door.protocol, door.address[-4:], door.tls) for door in settings.listen] == [
        ("imap", ":993", "implicit"),
        ("imap", ":143", "starttls"),
        ("submission", ":465", "implicit"),
        ("submission", ":587", "starttls"),
    ]
    assert settings.backend["submission"].port == 465


def test_every_commented_key_loads_too(tmp_path: Path) -> None:
    lines = render().splitlines()
    opened = [line.removeprefix("# ") if re.match(r"# (\[|[a-z_]+ = )", line) else line for line in lines]
    (tmp_path / "config.toml").write_text("\n".join(opened))
    settings = load(tmp_path / "config.toml")
    assert settings.identity.backend is not None
    assert settings.policy.of("staff").two_factor == "enforce"


def test_changes_reach_their_keys() -> None:
    content = tomllib.loads(render({"server.hostname": "mx.example.net", "backend.submission.host": "10.0.0.2"}))
    assert content["server"]["hostname"] == "mx.example.net"
    assert content["backend"]["submission"]["host"] == "10.0.0.2"
    assert content["backend"]["imap"]["host"] == "store.internal"


def test_the_file_at_the_top_is_the_example() -> None:
    assert main(["--check", str(Path(__file__).parents[2] / "config.toml")]) == 0


def test_a_file_that_lags_behind_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.toml"
    file.write_text(render() + "\n")
    assert main(["--check", str(file)]) == 1
    assert "python -m mailguard.config.example >" in capsys.readouterr().err


def test_without_arguments_the_example_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == render()
