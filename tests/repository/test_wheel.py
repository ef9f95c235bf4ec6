"""The package as others install it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.repository.test_tree import TOP, tracked


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the tree, without a download."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", folder, TOP], check=True, capture_output=True)
    (built,) = folder.glob("mailguard-*.whl")
    return built


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("mailguard/")}
    assert packed == {str(path.relative_to(TOP)) for path in tracked("mailguard")}
    assert any(name.startswith("mailguard/store/migrations/versions/") for name in packed)


def test_the_wheel_runs_by_itself(wheel: Path, tmp_path: Path) -> None:
    """In a new environment that borrows only the libraries: this tree's own package is not on its path."""
    home = tmp_path / "venv"
    venv.create(home)
    place = Path(sysconfig.get_path("purelib", "venv", {"base": str(home), "platbase": str(home)}))
    (place / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(home), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # which may lead to this tree
    for command in ("bin/mailguard --help", "bin/python -m mailguard --help"):
        program, *arguments = command.split()
        done = subprocess.run(
            [home / program, *arguments], cwd=tmp_path, env=bare, check=True, capture_output=True, text=True
        )
        assert "serve" in done.stdout
    origin: list[str | Path] = [home / "bin/python", "-c", "import mailguard; print(mailguard.__file__)"]
    shown = subprocess.run(origin, cwd=tmp_path, env=bare, check=True, capture_output=True, text=True).stdout
    assert Path(shown.strip()).is_relative_to(home)
