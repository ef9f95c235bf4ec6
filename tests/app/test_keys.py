"""A worker that runs takes a rotation over within its poll; its clients notice nothing (SECURITY.md, promise 2)."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.app.worker import Worker
from mailguard.keyring import Generation, KeysError
from tests.support.worker import OPERATOR, PASSWORD, Client, Running, eventually

pytestmark = pytest.mark.both_loops


def key_file(running: Running) -> Path:
    return running.settings.keys.file


async def in_(running: Running, password: str) -> bytes:
    client = await running.client()
    answer = await client.log_in(password)
    client.close()
    return answer


def newest(worker: Worker) -> str:
    """Of the ring that everything in this worker shares."""
    return worker.house.rules.authenticator.keyring.newest.id


def follows(running: Running) -> Callable[[], Awaitable[bool]]:
    """Has the worker taken over what the command left?"""

    async def look() -> bool:
        return newest(running.worker) == keyring.load(key_file(running)).newest.id

    return look


async def test_logins_go_on_through_a_rotation_and_what_is_new_is_under_the_new_generation(master: Running) -> None:
    await master.enrol()
    _, secret = await master.app_password()
    client = await master.client()
    assert (await client.log_in(secret)).startswith(b"a OK")
    old = newest(master.worker)
    await master.records.keys.rotate(key_file(master), actor=OPERATOR)
    assert (await in_(master, secret)).startswith(b"a OK"), "at once, by whichever ring the worker has"
    await eventually(follows(master))
    assert (await in_(master, secret)).startswith(b"a OK")
    assert (await in_(master, PASSWORD + master.code())).startswith(b"a OK")
    assert await still(client)
    listed = {hanging.generation.id: hanging.rows for hanging in await master.records.keys.list()}
    assert listed[newest(master.worker)]["grants"] == 1
    assert {table: n for table, n in listed[old].items() if n} == {"app_passwords": 1}, "its hash waits a few seconds"
    client.close()


async def still(client: Client) -> bool:
    client.say(b"n NOOP\r\n")
    return await client.until(b"\r\n") == b"n OK NOOP done\r\n"


async def test_a_worker_that_cannot_read_the_file_tries_again_until_it_can(
    master: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """As where root made it its own: until then every new row would hang on the old generation."""
    await master.enrol()
    file = key_file(master)
    worker_reads = master.worker.house.rules.authenticator.keyring.source
    master.worker.house.rules.authenticator.keyring.source = unreadable
    await master.records.keys.rotate(file, actor=OPERATOR)
    await eventually(lambda: said(caplog, "records not available"))
    assert not await follows(master)()
    master.worker.house.rules.authenticator.keyring.source = worker_reads
    await eventually(follows(master))
    assert (await in_(master, PASSWORD + master.code())).startswith(b"a OK")


def unreadable() -> tuple[Generation, ...]:
    raise KeysError("keys.toml: cannot be read (Permission denied)")


async def said(caplog: pytest.LogCaptureFixture, what: str) -> bool:
    return what in caplog.messages
