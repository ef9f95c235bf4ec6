"""A worker before sound scripted stores."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.support.certs import Authority, Issued
from tests.support.hostile_store import ImapStore, SubmissionStore
from tests.support.worker import ANN, MASTER, MASTER_SECRET, PASSWORD, Running, running

Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(tmp_path: Path, authority: Authority, localhost: Issued) -> Start:
    """Start a worker before the scripts that the test gives."""
    return partial(running, tmp_path, authority, localhost)


@pytest.fixture
async def own(start: Start) -> AsyncIterator[Running]:
    """Login own, before sound stores."""
    async with start(imap=ImapStore(users={ANN: PASSWORD}), submission=SubmissionStore(users={ANN: PASSWORD})) as it:
        yield it


@pytest.fixture
async def master(start: Start) -> AsyncIterator[Running]:
    """Login master, before sound stores and a listener that knows the users' passwords."""
    masters = {MASTER: MASTER_SECRET}
    async with start(
        imap=ImapStore(users={ANN: "never asked"}, masters=masters),
        submission=SubmissionStore(users={ANN: "never asked"}, masters=masters),
        identity=ImapStore(users={ANN: PASSWORD}),
        login="master",
    ) as it:
        yield it
