"""The record of a real guard: sealed by one worker at a time, whoever dies, and proven by what stands in its log."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.e2e.guard import DATABASE, Guard, serving
from tests.e2e.programs import workers
from tests.e2e.scripted import Passwords, Stage, names
from tests.store.words import sql
from tests.support.certs import Authority, Issued
from tests.support.worker import eventually


@pytest.fixture
def stage(authority: Authority, localhost: Issued) -> Stage:
    """Stores that are not open yet."""
    return Stage(authority, localhost, Passwords(names(3)))


def sealer(guard: Guard) -> int:
    """The worker that sealed last."""
    ((holder,),) = sql(guard.configuration.parent / DATABASE, "SELECT holder FROM audit_state")
    return int(str(holder).partition("-")[0])


async def test_a_killed_sealer_is_replaced_and_every_head_in_the_log_holds(stage: Stage, tmp_path: Path) -> None:
    with stage.playing(), serving(stage.stack, tmp_path, "own", {"audit": {"stream": "stdout"}}) as guard:
        async with guard.records() as records:

            async def all_sealed() -> bool:
                tip = await records.sealer.tip()
                return not tip.unsealed and tip.head.position > 0

            await guard.enrolled()
            await eventually(all_sealed)
            doomed = sealer(guard)
            assert doomed in workers(guard)
            os.kill(doomed, signal.SIGKILL)
            await guard.enrolled()
            await eventually(all_sealed)
            assert sealer(guard) != doomed
    lines = [json.loads(line) for line in guard.log.since().splitlines() if line.startswith("{")]
    heads = [line["head"] for line in lines if line.get("event") == "audit head"]
    assert len(heads) >= 3, "at the start, and at the stop of each worker"
    for head in (heads[0], heads[-1]):
        found = json.loads(guard.cli("audit", "verify", "--head", head, "--json"))
        assert (found["whole"], found["not_sealed_yet"]) == (True, 0)
    streamed = [line["position"] for line in lines if "mac" in line]
    assert len(set(streamed)) == len(streamed)
    assert max(streamed) == found["rows"]
    sql(tmp_path / DATABASE, "DELETE FROM audit WHERE position = ?", found["rows"])
    done = guard.run("audit", "verify", "--head", heads[-1])
    assert (done.returncode, done.stderr.partition(" at ")[0]) == (1, "truncated")
