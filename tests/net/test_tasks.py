"""Background tasks with an owner."""

import asyncio
import gc
import logging

import pytest

from mailguard.net.tasks import Tasks

pytestmark = pytest.mark.both_loops


async def test_a_crash_is_logged_by_name(caplog: pytest.LogCaptureFixture) -> None:
    async def crash() -> None:
        raise LookupError("no such mailbox")

    tasks = Tasks()
    await asyncio.wait([tasks.spawn(crash(), name="imap 192.0.2.7")])
    await tasks.close()

    (record,) = caplog.records
    assert (record.name, record.levelno) == ("mailguard.net", logging.ERROR)
    assert record.__dict__["task"] == "imap 192.0.2.7"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)


async def test_close_cancels_and_waits_for_the_last_step(caplog: pytest.LogCaptureFixture) -> None:
    steps: list[str] = []
    begun = asyncio.Event()

    async def session() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    tasks = Tasks()
    tasks.spawn(session(), name="session")
    await begun.wait()
    await tasks.close()

    assert steps == ["cleaned up"]
    assert len(tasks) == 0
    assert not caplog.records


async def test_a_task_that_only_we_know_of_is_not_collected() -> None:
    tasks = Tasks()
    done = asyncio.Event()

    async def waits_for_something_in_its_own_cycle() -> None:
        own = asyncio.get_running_loop().create_future()
        own.add_done_callback(lambda _: None)
        try:
            await own
        finally:
            done.set()

    tasks.spawn(waits_for_something_in_its_own_cycle(), name="session")
    await asyncio.sleep(0)
    gc.collect()
    assert not done.is_set()
    await tasks.close()
    assert done.is_set()


async def test_an_owner_may_close_from_within_one_of_its_tasks() -> None:
    tasks = Tasks()
    task = tasks.spawn(tasks.close(), name="the last one")
    await asyncio.wait_for(task, 5)
    assert len(tasks) == 0


async def test_nothing_starts_after_close() -> None:
    tasks = Tasks()
    await tasks.close()
    with pytest.raises(RuntimeError, match="late session"):
        tasks.spawn(asyncio.sleep(0), name="late session")
