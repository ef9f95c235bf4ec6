"""The outbox is emptied beside everything else, whatever becomes of the relay."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from mailguard.auth.accounts import Account
from mailguard.backends.post import Post
from mailguard.config import TlsMode
from mailguard.jobs.letter import Office
from mailguard.jobs.letters import NOT_SENT, LetterJob
from mailguard.store import Store
from mailguard.store.notices import GIVE_UP_SECONDS
from tests.store.words import ANN, NOON, OPERATOR, SEED, StoppedClock, sql
from tests.support.hostile_store import HostileStore, Peer, SubmissionStore

DESK = "desk@office.example"
KILLED = "SELECT RAISE(ABORT, 'killed')"


@pytest.fixture
async def due(store: Store, ann: Account) -> Store:
    """A letter about ann's new authenticator is due."""
    device = await store.devices.enrol(ANN, "phone", SEED, actor=OPERATOR)
    await store.devices.confirm(device.id, 1, actor=OPERATOR)
    return store


class Relay(SubmissionStore):
    """Takes mail from whoever comes, but for when it is told to hang up; `after` the letter, before its answer."""

    down = False

    def __call__(self, peer: Peer) -> None:
        """One connection."""
        if self.down:
            return
        self.mail = self.rcpt = "250 ok"
        super().__call__(peer)


def office(path: Path | None, organisation: str = DESK) -> Office:
    post = None
    if path is not None:
        post = Post(host=f"unix:{path}", port=25, tls=TlsMode.NONE, hostname="mail.example.org", sender="s@example.org")
    return Office(post, organisation, "mail.example.org", "")


async def test_what_is_due_is_sent_once_whichever_process_looks(due: Store, tmp_path: Path) -> None:
    script = Relay()
    with HostileStore(script, path=tmp_path / "smtp"):
        jobs = [LetterJob(due.notices, lambda: office(tmp_path / "smtp")) for _ in range(2)]
        for job in (*jobs, *jobs):
            await job.look()
    (letter,) = script.letters
    assert b"\r\nTo: desk@office.example\r\n" in letter
    assert b"An authenticator" in letter


async def test_a_relay_that_is_down_is_said_once_and_the_letter_comes_later(
    due: Store, tmp_path: Path, clock: StoppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mailguard.jobs")
    script = Relay()
    script.down = True
    job = LetterJob(due.notices, lambda: office(tmp_path / "smtp"))
    with HostileStore(script, path=tmp_path / "smtp"):
        for _ in range(3):
            await job.look()
            clock.at += 600
        script.down = False
        await job.look()
        await job.look()
    assert len(script.letters) == 1
    assert [record.getMessage() for record in caplog.records] == ["letters cannot be sent", "letters are sent again"]


async def test_whoever_told_of_trouble_tells_of_its_end_whichever_process_sends(
    due: Store, tmp_path: Path, clock: StoppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mailguard.jobs")
    script = Relay()
    script.down = True
    one, other = (LetterJob(due.notices, lambda: office(tmp_path / "smtp")) for _ in range(2))
    with HostileStore(script, path=tmp_path / "smtp"):
        await one.look()
        await one.look()
        assert [record.getMessage() for record in caplog.records] == ["letters cannot be sent"]
        clock.at += 60
        script.down = False
        await other.look()
        assert len(script.letters) == 1
        assert len(caplog.records) == 1, "the other one never saw trouble"
        await one.look()
        await one.look()
    assert [record.getMessage() for record in caplog.records[1:]] == ["letters are sent again"]


async def test_a_letter_that_is_given_up_ends_no_trouble(
    due: Store, tmp_path: Path, clock: StoppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mailguard.jobs")
    script = Relay()
    script.down = True
    job = LetterJob(due.notices, lambda: office(tmp_path / "smtp"))
    with HostileStore(script, path=tmp_path / "smtp"):
        await job.look()
        clock.at += GIVE_UP_SECONDS
        await job.look()
    assert sql(tmp_path / "mailguard.db", "SELECT next_at FROM notices") == [(None,)]
    assert [record.getMessage() for record in caplog.records] == ["letters cannot be sent"]


async def test_a_process_killed_before_it_could_note_the_sending_sends_the_same_letter_later(
    due: Store, tmp_path: Path, clock: StoppedClock, database: Path
) -> None:
    script = Relay()
    job = LetterJob(due.notices, lambda: office(tmp_path / "smtp"))
    with HostileStore(script, path=tmp_path / "smtp"):
        sql(
            database,
            "CREATE TRIGGER killed BEFORE UPDATE OF sent_at ON notices BEGIN SELECT RAISE(ABORT, 'killed'); END",
        )
        with pytest.raises(IntegrityError):
            await job.look()
        sql(database, "DROP TRIGGER killed")
        for _ in range(10):  # other processes look every few seconds
            await job.look()
            clock.at += 5
        assert len(script.letters) == 1
        clock.at += 60
        for _ in range(10):
            await job.look()
            clock.at += 60
    assert len(script.letters) == 2
    assert script.letters[0] == script.letters[1]


async def test_where_no_letters_are_wanted_none_waits_for_years(due: Store, tmp_path: Path) -> None:
    await LetterJob(due.notices, lambda: office(None)).look()
    assert sql(tmp_path / "mailguard.db", "SELECT next_at, error FROM notices") == [(None, NOT_SENT)]
    script = Relay()
    with HostileStore(script, path=tmp_path / "smtp"):
        await LetterJob(due.notices, lambda: office(tmp_path / "smtp")).look()
    assert script.letters == []


async def test_many_letters_leave_the_loop_to_others(due: Store, tmp_path: Path, clock: StoppedClock) -> None:
    assert clock.at == NOON
    for number in range(25):
        await due.accounts.add(name := ANN.replace("ann", f"u{number}"), actor=OPERATOR)  # type: ignore[arg-type]
        await due.accounts.suspend(name, actor=OPERATOR)  # type: ignore[arg-type]
    script = Relay()
    with HostileStore(script, path=tmp_path / "smtp"):
        job = LetterJob(due.notices, lambda: office(tmp_path / "smtp"))
        await job.look()
        assert len(script.letters) == 20
        await job.look()
    assert len(script.letters) == 26
