"""Whatever a login fails for, its answer is the same, byte for byte, and comes in one distribution of time.

Through the real listeners, before real Dovecot and Postfix, at the usual `failure_delay`. (SECURITY.md, promise 5)
"""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Awaitable, Callable
from itertools import combinations
from pathlib import Path

import pytest

from mailguard.auth.attempt import MailProtocol
from tests.e2e.answers import POLICY, Answers, Kind, Sampler, fresh, with_failures
from tests.e2e.clients import REQUIRED
from tests.e2e.guard import Guard, Tables, serving
from tests.e2e.stack import Stack
from tests.support.distributions import differ

pytestmark = pytest.mark.timeout(300)

WHOLE = os.environ.get(REQUIRED) == "required"  # as CI demands; two minutes and more
EACH = 200 if WHOLE else 50
ALPHA = 0.001
DELAY = 3.0  # the usual failure_delay
ADDRESSES = 40  # with ten failures behind each: as many failures as the guard takes from all the world for nothing
PASSES = 5  # app passwords


def overrides(**more: object) -> Tables:
    return {"throttle": {"failure_delay": f"{DELAY:.0f}s"}, "policy": POLICY, **more}


def assert_one_answer(heard: Answers) -> None:
    assert len(heard.bytes) == 1, heard.bytes
    assert heard.seconds.keys() == set(Kind)
    assert min(map(min, heard.seconds.values())) >= DELAY - 0.01


def different(heard: Answers) -> set[tuple[Kind, Kind]]:
    return {
        (one, other) for one, other in combinations(Kind, 2) if differ(heard.seconds[one], heard.seconds[other], ALPHA)
    }


async def compare(guard: Guard, protocol: MailProtocol, *, failures: bool) -> Answers:
    sources = await with_failures(guard, protocol, ADDRESSES) if failures else fresh(guard)
    sampler = Sampler(guard, protocol, sources)
    heard = await sampler.sample(EACH)
    assert_one_answer(heard)
    passed = [await sampler.app_password() for _ in range(PASSES)]
    assert min(passed) < 1.0, passed  # from wherever they come: nothing is added, though this machine may be busy
    return heard


async def assert_alike(once: Callable[[Path], Awaitable[Answers]], folder: Path) -> None:
    """Once more where some pair seems to differ: of so many pairs one does so by chance in ten runs, but not again."""
    suspects = set(combinations(Kind, 2))
    for name in ("first", "again"):
        (folder / name).mkdir()
        suspects &= different(heard := await once(folder / name))
        if not suspects:
            return
    tenths = {kind: statistics.quantiles(seconds, n=10) for kind, seconds in heard.seconds.items()}
    pytest.fail(f"these can be told apart by their time: {sorted(suspects)}, of {tenths}")


@pytest.mark.parametrize("protocol", list(MailProtocol) if WHOLE else [MailProtocol.IMAP])
async def test_from_addresses_never_seen(stack: Stack, tmp_path: Path, protocol: MailProtocol) -> None:
    """Where the question is the leg itself; Dovecot's penalty is on, and has seen none of them."""

    async def once(folder: Path) -> Answers:
        with serving(stack, folder, "own", overrides()) as guard:
            return await compare(guard, protocol, failures=False)

    await assert_alike(once, tmp_path)


@pytest.mark.parametrize("protocol", list(MailProtocol) if WHOLE else [MailProtocol.SUBMISSION])
async def test_from_addresses_with_ten_failures_behind_them(
    stack: Stack, tmp_path: Path, protocol: MailProtocol
) -> None:
    """Where a listener is asked, of a Dovecot without its penalty as the operators' guide advises: with it a NO would
    take 17 seconds after ten failures, longer than any sensible `failure_delay`."""
    asked = {"backend": {"host": "localhost", "port": stack.imap_even_port, "ca": str(stack.ca)}}

    async def once(folder: Path) -> Answers:
        with serving(stack, folder, "master", overrides(identity=asked)) as guard:
            return await compare(guard, protocol, failures=True)

    await assert_alike(once, tmp_path)


def test_the_measure_tells_a_hundredth_of_a_second_among_jitter_of_as_much() -> None:
    def sample(shift: float) -> list[float]:
        return [DELAY + shift + random.expovariate(100) for _ in range(EACH)]

    assert not differ(one := sample(0.0), one, ALPHA)
    assert differ(sample(0.0), sample(0.01), ALPHA)
