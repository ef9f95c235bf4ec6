"""One who guesses is slowed at the store, and nobody else: it sees the clients behind the guard."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence

from mailguard.auth.attempt import MailProtocol
from tests.e2e.clients import Login
from tests.e2e.guard import Guard, Person
from tests.e2e.programs import connected, failed, granted, until
from tests.e2e.traces import assert_none_told

IMAP, SUBMISSION = MailProtocol.IMAP, MailProtocol.SUBMISSION
GUESSES, VICTIMS = 20, 4  # below the guard's own limit for one account, so that the store hears every one
HONEST = "127.0.5.5"
SLACK = 3.5  # seconds that a right login may take longer on a machine that is busy
PENALTY = 3.0  # seconds: the least that Dovecot lets an address wait after a few failures is four


async def _guess(guard: Guard, protocol: MailProtocol, victims: Sequence[str], source: str) -> None:
    """Twenty wrong passwords, at once: one after the other the guesser would sit out its penalties here."""
    programs = [await connected(guard, protocol, source) for _ in range(GUESSES)]
    logins = [Login(victims[number % VICTIMS], f"store-{number:012x}") for number in range(GUESSES)]
    answers = await asyncio.gather(*(program.log_in(login) for program, login in zip(programs, logins, strict=True)))
    assert all(map(failed, answers)), answers
    for program in programs:
        program.close()


async def _seconds(guard: Guard, protocol: MailProtocol, person: Person) -> float:
    """How long a right login takes from an address that has done nothing wrong."""
    program = await connected(guard, protocol, HONEST)
    began = time.monotonic()
    answer = await program.log_in(person.login())
    assert granted(answer), answer
    program.close()
    return time.monotonic() - began


async def test_dovecot_slows_the_guesser_and_nobody_else(guard_own: Guard, guard_master: Guard) -> None:
    """By the session's own leg, and by the listener that is asked about passwords under a master login."""
    await asyncio.gather(*(_slows_the_guesser_alone(guard) for guard in (guard_own, guard_master)))


async def _slows_the_guesser_alone(guard: Guard) -> None:
    log = guard.stack.logs["own"]
    guesser, mark = guard.stack.address(), log.mark()
    victims = [guard.stack.user().name for _ in range(VICTIMS)]
    usual = await _seconds(guard, IMAP, await guard.enrolled())
    await _guess(guard, IMAP, victims, guesser)
    blamed = rf"auth failed.*rip={re.escape(guesser)},"
    await until(lambda: len(re.findall(blamed, log.since(mark))) == GUESSES)
    repentant, honest = await guard.enrolled(), await guard.enrolled()
    waiting = await connected(guard, IMAP, guesser)
    waiting.offer(repentant.user.name, repentant.login().password)
    answer, seconds = await asyncio.gather(
        asyncio.wait_for(waiting.answer(), PENALTY), _seconds(guard, IMAP, honest), return_exceptions=True
    )
    assert isinstance(seconds, float), seconds
    assert seconds < usual + SLACK
    # The guesser's own right login waits: else the store has not seen who guessed.
    assert isinstance(answer, TimeoutError), answer
    waiting.close()
    assert_none_told(guard)


async def test_behind_postfix_nobody_is_slowed(guard_own: Guard) -> None:
    guard, log = guard_own, guard_own.stack.logs["sasl"]
    guesser, mark = guard.stack.address(), log.mark()
    victims = [guard.stack.user().name for _ in range(VICTIMS)]
    usual = await _seconds(guard, SUBMISSION, await guard.enrolled())
    await _guess(guard, SUBMISSION, victims, guesser)
    await until(lambda: len(re.findall("Password mismatch", log.since(mark))) >= GUESSES)
    assert await _seconds(guard, SUBMISSION, await guard.enrolled()) < usual + SLACK
    assert_none_told(guard)
