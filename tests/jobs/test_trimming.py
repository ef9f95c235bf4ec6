"""What was freed between things that stay goes back to the system."""

from pathlib import Path

import pytest

from mailguard.jobs import trimming


def resident() -> int:
    """Octets of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(trimming._trim is None, reason="the C library has no malloc_trim")
async def test_pages_that_are_free_between_others_go_back() -> None:
    pieces = [bytearray(b"x" * 20_000) for _ in range(2_000)]  # 40 MB
    del pieces[::2]
    before = resident()
    await trimming.look()
    assert before - resident() > 8_000_000
    assert len(pieces) == 1_000
