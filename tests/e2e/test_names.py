"""Spellings of one name at the real doors: one account, one allowance of guesses, and never the store's own master."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from mailguard.auth.attempt import MailProtocol
from mailguard.auth.ports import Counts
from mailguard.auth.throttle import ALLOWANCES
from tests.e2e.clients import Login
from tests.e2e.guard import Guard, serving
from tests.e2e.programs import answered, failed, granted
from tests.e2e.scripted import MASTER, MASTER_SECRET, Passwords, Stage, names
from tests.e2e.stack import MASTER_USER
from tests.e2e.traces import assert_none_told
from tests.support.certs import Authority, Issued
from tests.support.hostile_store import HostileStore

FOREIGN = "u9@xn--bcher-kva.example"
USERS = {**names(4), FOREIGN: "store-0000000000b9"}
SPELLINGS = {
    "u1@example.org": ("U1@EXAMPLE.ORG", "u1", "ｕ１@ｅｘａｍｐｌｅ．ｏｒｇ", "u1@example。org"),
    FOREIGN: ("u9@bücher.example", "U9@XN--BCHER-KVA.example", "u9@BÜCHER.example"),
}
NOBODY = (
    "u1@example.org ", " u1@example.org", "u1@example.org\t", "u1@@example.org", "u1@example.org@example.org",
    f"u1@example.org*{MASTER}", f"u1*{MASTER}@example.org", MASTER, f"{MASTER}@example.org", MASTER.upper(),
    "ｍａｉｌｇｕａｒｄ", f"{MASTER}*u1@example.org", "u1%example.org", '"u1"@example.org',
)  # fmt: skip
"""What no account can be called, and what a store might take for its master."""


@dataclass(frozen=True, slots=True)
class Played:
    """A guard, and what its stores hear."""

    guard: Guard
    stores: Sequence[HostileStore]
    passwords: Passwords

    def heard(self) -> list[tuple[str, str]]:
        """Who speaks for whom, in every login that a store was offered: authzid and authcid."""
        words = [word for store in self.stores for line in list(store.heard) for word in line.split(b" ")]
        decoded = [said.decode().split("\0") for word in words if (said := _decoded(word)).count(b"\0") == 2]
        return [(authzid, authcid) for authzid, authcid, _ in decoded]


def _decoded(word: bytes) -> bytes:
    try:
        return base64.b64decode(word, validate=True)
    except binascii.Error:
        return b""


@pytest.fixture(scope="module")
def played(authority: Authority, localhost: Issued, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A guard with login master: its stores would let the master in, and refuse nobody a second try."""
    stage = Stage(authority, localhost, Passwords(USERS))
    at_once = {"throttle": {"failure_delay": "0s"}}
    folder = tmp_path_factory.mktemp("names")
    with stage.playing(master=True) as stores, serving(stage.stack, folder, "master", at_once) as guard:
        yield Played(guard, stores, stage.passwords)
        assert_none_told(guard)


@pytest.mark.parametrize("protocol", MailProtocol)
@pytest.mark.parametrize("canonical", SPELLINGS)
async def test_all_spellings_open_one_mailbox(played: Played, protocol: MailProtocol, canonical: str) -> None:
    for store in played.stores:
        store.heard.clear()
    for spelling in (canonical, *SPELLINGS[canonical]):
        assert granted(await answered(played.guard, protocol, Login(spelling, USERS[canonical]))), spelling
        assert set(played.heard()) == {("", canonical), (canonical, MASTER)}
    async with played.guard.records() as records:
        assert {account.name for account in await records.accounts.list()} <= set(USERS)


@pytest.mark.parametrize("protocol", MailProtocol)
async def test_all_spellings_share_one_allowance_of_guesses(played: Played, protocol: MailProtocol) -> None:
    here = 1 + list(MailProtocol).index(protocol)
    guard, guesser = played.guard, f"127.0.6.{here}"
    spellings = (FOREIGN, *SPELLINGS[FOREIGN])
    for number in range(ALLOWANCES[Counts.PAIR].free):
        spelling = spellings[number % len(spellings)]
        wrong = f"store-{here}{number:011d}"  # what the other door has heard counts no more
        assert failed(await answered(guard, protocol, Login(spelling, wrong), guesser))
    asked = len(played.passwords.asked)
    for spelling in spellings:
        answer = await answered(guard, protocol, Login(spelling, USERS[FOREIGN]), guesser)
        assert answer.startswith((b"NO [UNAVAILABLE]", b"454 4.7.0")), answer
    assert len(played.passwords.asked) == asked, "the store was asked for somebody who is throttled"
    assert granted(await answered(guard, protocol, Login(spellings[1], USERS[FOREIGN])))


@pytest.mark.parametrize("protocol", MailProtocol)
async def test_the_stores_master_is_nobody_and_the_store_is_not_asked(played: Played, protocol: MailProtocol) -> None:
    heard, asked = played.heard(), list(played.passwords.asked)
    for name in NOBODY:
        assert failed(await answered(played.guard, protocol, Login(name, MASTER_SECRET))), name
    assert played.heard() == heard
    assert played.passwords.asked == asked


async def test_a_real_stores_master_secret_opens_nothing_through_the_guard(guard_master: Guard) -> None:
    guard, victim = guard_master, (await guard_master.enrolled()).user.name
    logs = [guard.stack.logs["master"], guard.stack.logs["own"]]
    marks = [log.mark() for log in logs]
    tries = [name.replace("u1@example.org", victim) for name in (*NOBODY, "u1@example.org")]
    for protocol in MailProtocol:
        answers = await asyncio.gather(
            *(
                answered(guard, protocol, Login(name, guard.stack.master_secret), guard.stack.address())
                for name in tries
            )
        )
        assert all(map(failed, answers)), answers
    for log, mark in zip(logs, marks, strict=True):
        assert f"user=<{MASTER_USER}" not in log.since(mark)
        assert "Login: user" not in log.since(mark)
    assert_none_told(guard, [guard.stack.master_secret])
