"""The guard as a process of its own."""

import ssl
from pathlib import Path

import pytest

from mailguard.demo.guard import Guard, GuardFailed


async def test_a_guard_that_does_not_start_is_reported_with_what_it_said(tmp_path: Path) -> None:
    guard = await Guard.start(tmp_path / "absent.toml", tmp_path / "guard.log")
    with pytest.raises(GuardFailed, match=r"exit code 1(?s:.*)absent\.toml"):
        await guard.ready(ssl.create_default_context(), imaps=1, submissions=1, portal=1)
    await guard.stop()
