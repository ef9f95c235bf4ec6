"""App passwords at a worker's doors where the stores want users' own passwords."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Answer, Verdict
from mailguard.secret import Secret
from tests.app.conftest import Start
from tests.support.hostile_store import ImapStore, SubmissionStore
from tests.support.worker import ANN, PASSWORD, Running, plain

pytestmark = pytest.mark.both_loops

STALE = b"Your mail password has changed, sign in once with a code"


@dataclass
class Site:
    """A worker, and ann's password at its two stores."""

    running: Running
    users: dict[str, str]

    async def imap(self, password: str) -> bytes:
        """The answer to a login, and of the store behind it to a command."""
        client = await self.running.client()
        answer = await client.log_in(password)
        if answer.startswith(b"a OK"):
            client.say(b"n NOOP\r\n")
            assert await client.line() == b"n OK NOOP done"
        client.close()
        return answer.removeprefix(b"a ")

    async def submission(self, password: str) -> bytes:
        """The same, where mail is sent."""
        client = await self.running.client("submission")
        await client.line()
        client.say(b"EHLO phone\r\n")
        await client.until(b"250 ")
        await client.line()
        client.say(b"AUTH PLAIN %b\r\n" % plain(ANN, password))
        answer = await client.line()
        client.close()
        return answer


@pytest.fixture
async def site(start: Start) -> AsyncIterator[Site]:
    users: dict[str, str] = {ANN: PASSWORD}
    async with start(imap=ImapStore(users=users), submission=SubmissionStore(users=users)) as running:
        yield Site(running, users)


async def test_both_doors_open_with_what_lies_in_the_vault(site: Site) -> None:
    _, secret = await site.running.app_password(sealed=PASSWORD)
    assert (await site.imap(secret)).startswith(b"OK")
    assert (await site.submission(secret)).startswith(b"235")
    assert await site.running.reasons() == ["", ""]


async def test_after_a_change_both_wait_for_one_sign_in(site: Site) -> None:
    await site.running.enrol()
    _, secret = await site.running.app_password(sealed=PASSWORD)
    site.users[ANN] = "changed"
    assert (await site.imap(secret)).startswith(b"NO [UNAVAILABLE] " + STALE)
    assert (await site.submission(secret)).startswith(b"454 4.7.0 " + STALE)
    assert (await site.imap("changed" + site.running.code())).startswith(b"OK")
    assert (await site.imap(secret)).startswith(b"OK")
    assert (await site.submission(secret)).startswith(b"235")


async def test_one_that_was_made_under_a_master_login_waits_for_a_sign_in_too(site: Site) -> None:
    await site.running.enrol()
    _, secret = await site.running.app_password()
    assert (await site.imap(secret)).startswith(b"NO [UNAVAILABLE] " + STALE)
    assert (await site.submission(PASSWORD + site.running.code())).startswith(b"235")
    assert (await site.imap(secret)).startswith(b"OK")


@dataclass
class Directory:
    """An identity source beside the store."""

    verdict: Verdict = Verdict.UNAVAILABLE
    asked: list[str] = field(default_factory=list)

    async def ask(self, name: AccountName, password: Secret) -> Answer:
        """Note the question."""
        self.asked.append(name)
        return Answer(self.verdict)


async def test_a_directory_that_is_down_keeps_no_phone_from_its_mail(site: Site) -> None:
    """The store itself is asked with what lies in the vault, and nobody else."""
    house, directory = site.running.worker.house, Directory()
    house.rules = replace(house.rules, source=directory)
    _, secret = await site.running.app_password(sealed=PASSWORD)
    assert (await site.imap(secret)).startswith(b"OK")
    assert (await site.submission(secret)).startswith(b"235")
    assert directory.asked == []
    assert (await site.imap(PASSWORD)).startswith(b"NO [UNAVAILABLE]")
    assert directory.asked == [ANN]
