"""Rounds that go from target to target, so that whatever else the machine does meets all of them alike."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from bench import work
from bench.progress import Progress
from bench.targets import Column, Figures, Target, Who
from bench.work import Amount


async def measured(
    targets: Sequence[Target], amount: Amount, rounds: int, tls: ssl.SSLContext, progress: Progress
) -> dict[Who, list[Figures]]:
    """Every target's figures, round by round. The memory of idle sessions is taken once, before anything else has left
    its traces in a target's heap; then a first round warms up and is not counted."""
    proxies = [target for target in targets if target.who is not Who.STORE]
    progress.plan(len(targets) + len(proxies) + rounds * len(targets))
    found: dict[Who, list[Figures]] = {target.who: [] for target in targets}
    for target in proxies:
        with progress.step(f"idle sessions, {target.who.value}", weight=0.5):
            found[target.who].append({Column.IDLE: await work.idle_memory(target, amount, tls)})
    for target in targets:
        with progress.step(f"warm-up, {target.who.value}", weight=0.5):
            await work.round_of(target, work.warm(amount), tls)
    for number in range(rounds):
        for target in targets:
            with progress.step(f"round {number + 1} of {rounds}, {target.who.value}"):
                found[target.who].append(await work.round_of(target, amount, tls))
    return found
