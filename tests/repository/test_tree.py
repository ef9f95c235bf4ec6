"""What may and may not be in the tree."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
LONGEST_MODULE = 400
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}")


def tracked(*patterns: str) -> list[Path]:
    """Files that git knows, or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listing = subprocess.run(command, cwd=TOP, check=True, capture_output=True).stdout
    paths = [TOP / name.decode() for name in listing.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_private_key_is_in_git() -> None:
    files = tracked()
    assert TOP / "certs/README.md" in files
    assert [path for path in files if PRIVATE_KEY.search(path.read_bytes())] == []


def test_certs_holds_nothing_else() -> None:
    assert tracked("certs") == [TOP / "certs/README.md"]


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    modules = tracked("mailguard/*.py")
    assert modules
    lengths = {str(path.relative_to(TOP)): len(path.read_text().splitlines()) for path in modules}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_lock_file_names_an_index() -> None:
    locks = tracked("requirements/*.lock")
    assert {path.name for path in locks} == {"run.lock", "demo.lock", "dev.lock", "ldap.lock", "fuzz.lock"}
    assert [path.name for path in locks if re.search(r"^--|https?:", path.read_text(), re.MULTILINE)] == []
