"""The record of a whole worker: sealed and streamed while it runs, whole and told of when it has stopped."""

import json
import logging
import time

import pytest

from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import Store
from mailguard.store.chain import Head
from mailguard.store.engine import database_path
from tests.app.conftest import Start
from tests.app.test_worker import in_
from tests.store.words import sql
from tests.support.hostile_store import ImapStore
from tests.support.worker import ANN, MASTER, MASTER_SECRET, PASSWORD, Running, eventually

pytestmark = pytest.mark.both_loops


def row(detail: str) -> AuditRow:
    return AuditRow(Event.ACCOUNT_CHANGED, time.time(), account=ANN, detail=detail)


async def sealed(running: Running) -> int:
    """The newest position, once nothing waits."""
    tip = await running.records.sealer.tip()
    return 0 if tip.unsealed else tip.head.position


async def test_what_happens_is_sealed_streamed_and_its_head_told(
    start: Start, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mailguard.audit")
    async with start(imap=ImapStore(users={ANN: PASSWORD}), more='[audit]\nstream = "stdout"\n') as running:
        client, answer = await in_(running, PASSWORD)
        assert answer.startswith(b"a OK")
        assert await eventually(lambda: sealed(running)) >= 3
        assert (await running.records.verify()).broken is None
        settings, ring = running.settings, running.ring
        client.close()
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["position"] for line in lines] == list(range(1, len(lines) + 1))
    assert {Event.LOGIN_GRANTED, Event.SESSION_ENDED} <= {line["event"] for line in lines}
    heads = [record.__dict__["head"] for record in caplog.records if record.getMessage() == "audit head"]
    store = await Store.open(settings.store.url, ring)
    found = await store.verify(Head.parse(heads[-1]))
    assert (found.rows, found.unsealed, found.broken) == (len(lines), 0, None)
    assert found.ends.head.mac.hex() == lines[-1]["mac"]
    await store.close()


async def test_a_device_may_be_recorded_by_the_day(start: Start) -> None:
    stores = {
        "imap": ImapStore(users={ANN: "never asked"}, masters={MASTER: MASTER_SECRET}),
        "identity": ImapStore(users={ANN: PASSWORD}),
    }
    async with start(**stores, login="master", more='[audit]\nsuccesses = "daily"\n') as running:
        credential, secret = await running.app_password()
        for _ in range(3):
            client, answer = await in_(running, secret)
            assert answer.startswith(b"a OK")
            client.close()

        database = database_path(running.settings.store.url)

        async def counted() -> bool:
            return sql(database, "SELECT event, repeats FROM audit_repeats ORDER BY 1") == [
                (Event.LOGIN_GRANTED, 1),  # two further ones
                (Event.SESSION_ENDED, 1),
            ]

        await eventually(counted)
        rows = [r for r in await running.records.audit.list() if r.row.credential == credential]
        assert sorted(r.row.event for r in rows) == [
            Event.APP_PASSWORD_FIRST_USED,
            Event.APP_PASSWORD_ISSUED,
            Event.LOGIN_GRANTED,
            Event.SESSION_ENDED,
        ]


async def test_a_reload_opens_and_closes_the_stream(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    async with start(imap=ImapStore(users={ANN: PASSWORD})) as running:
        file = running.settings.file
        quiet = file.read_text()
        await eventually(lambda: sealed(running))
        for text, name in ((quiet + '[audit]\nstream = "stdout"\n', "heard"), (quiet, "unheard")):
            file.write_text(text)
            running.worker._reload()
            before = await sealed(running)
            await running.records.ledger.record(row(name))

            async def further(before: int = before) -> bool:
                return await sealed(running) > before

            await eventually(further)
    assert [json.loads(line)["detail"] for line in capfd.readouterr().out.splitlines()] == ["heard"]
