"""A lock that a stranger holds does not hang a command for ever."""

import fcntl
import os
from pathlib import Path

import pytest

from mailguard.auth.ports import StoreUnavailable
from mailguard.store import migrate


def test_a_lock_held_by_somebody_else_ends_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.1)
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_SH)
    try:
        with pytest.raises(StoreUnavailable, match="fuser -v"):
            migrate.ensure(tmp_path / "mailguard.db", 0.0)
    finally:
        os.close(folder)
    migrate.ensure(tmp_path / "mailguard.db", 0.0)
