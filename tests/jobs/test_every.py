"""Work that comes round again goes on, whatever becomes of it."""

import asyncio
import logging

import pytest

from mailguard.auth.ports import StoreUnavailable
from mailguard.jobs.every import every
from mailguard.net.tasks import Tasks


async def rounds(work: list[Exception | None], caplog: pytest.LogCaptureFixture) -> list[str]:
    """Let a job go through `work`, and once more; what it logged."""
    left, over, tasks = iter(work), asyncio.Event(), Tasks()

    async def job() -> None:
        try:
            trouble = next(left)
        except StopIteration:
            over.set()
            return
        if trouble is not None:
            raise trouble

    caplog.set_level(logging.INFO, "mailguard.jobs")
    tasks.spawn(every(0, job, name="revocations"), name="revocations")
    async with asyncio.timeout(5):
        await over.wait()
        await asyncio.sleep(0)
    await tasks.close()
    return [record.getMessage() for record in caplog.records if record.name == "mailguard.jobs"]


async def test_trouble_is_told_when_it_begins_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    away = StoreUnavailable("disk full")
    said = await rounds([None, away, away, None, None, away, None], caplog)
    assert said == ["records not available", "job works again"] * 2


async def test_a_fault_does_not_end_the_job(caplog: pytest.LogCaptureFixture) -> None:
    """A worker that followed the revocations no more would keep the sessions of whoever was locked out."""
    said = await rounds([None, ValueError("odd row"), ValueError("odd row"), None], caplog)
    assert said == ["job failed", "job works again"]
    assert caplog.records[0].exc_info is not None
