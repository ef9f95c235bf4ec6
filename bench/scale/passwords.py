"""Does a login cost more where there are a thousand times as many app passwords?"""

from __future__ import annotations

import contextlib
import random
import statistics
from collections.abc import Sequence
from pathlib import Path

from bench.guard import ONE_WORKER
from bench.progress import Progress
from bench.records import filled
from bench.scale.findings import Finding
from bench.scale.ground import Ground, ground
from bench.targets import Target, Who
from bench.work import Amount, Work
from tests.e2e.guard import DATABASE
from tests.e2e.stack import Stack

FEW = 1000
EACH = 4  # app passwords an account
TRIED = 1000  # of the many, spread over all of them
ROUNDS = 5
LOGINS = Amount(logins=TRIED, at_once=8, waits=0, megabytes=0, trips=0, idle=0)


async def compared(stack: Stack, folder: Path, progress: Progress, many: int) -> list[Finding]:
    """Rounds that go from the guard with few to the one with many."""
    with contextlib.ExitStack() as guards:
        few = guards.enter_context(ground(stack, folder / "few", progress, ONE_WORKER, accounts=0))
        lot = guards.enter_context(ground(stack, folder / "many", progress, ONE_WORKER, accounts=0))
        targets = [_target(few, FEW, 1, progress), _target(lot, many, max(1, many // TRIED), progress)]
        costs: tuple[list[float], list[float]] = ([], [])
        for number in range(ROUNDS + 1):
            progress.say(f"logins among {FEW} and {many} app passwords: round {number} of {ROUNDS}")
            for target, found in zip(targets, costs, strict=True):
                cost = await Work(target, LOGINS, few.tls).logins(target.credentials, target.imap_port)
                if number:  # the first one warms up
                    found.append(cost)
        return findings(*costs, many, (folder / "many" / DATABASE).stat().st_size)


def findings(few: Sequence[float], lot: Sequence[float], many: int, size: int) -> list[Finding]:
    """Medians and their ratio."""
    little, much = statistics.median(few), statistics.median(lot)
    return [
        Finding(f"a login among {FEW} app passwords", little, "CPU µs"),
        Finding(f"a login among {many} app passwords", much, "CPU µs"),
        Finding("the same: by the login among few", much / little, "", 1.10),
        Finding(f"the database with {many} app passwords of {many // EACH} accounts", size / 1e6, "MB"),
    ]


def _target(before: Ground, count: int, keep: int, progress: Progress) -> Target:
    names = (f"p{number}@example.org" for number in range(count // EACH))
    folder = before.guard.configuration.parent
    credentials = filled(
        folder, names, EACH, keep=keep, told=lambda made: progress.say(f"app passwords: {made} of {count}")
    )
    random.Random(count).shuffle(credentials)
    return Target(Who.GUARD, before.guard.imap_port, 0, before.meter, credentials)
