"""One private address for very many accounts is said aloud, by one process, once an hour."""

import logging
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import pytest

from mailguard.auth.policy import Policies, Policy
from mailguard.jobs.crowds import AGAIN_SECONDS, ROUND_SECONDS, CrowdWatch
from mailguard.observe.board import Meter
from mailguard.observe.families import CROWDS
from mailguard.store import Store
from mailguard.store.crowds import CROWD, WITHIN_SECONDS
from tests.store.words import StoppedClock, came

ROUTER, DESK = "10.0.0.1", "10.0.0.5"
SHARED = Policy(shared_networks=(ip_network("10.0.0.5/32"),))


@dataclass
class Scene:
    """The records, and what was said of them."""

    store: Store
    clock: StoppedClock
    database: Path
    caplog: pytest.LogCaptureFixture
    shared: Meter = field(default_factory=Meter)
    policies: Policies = field(default_factory=Policies)

    def watch(self) -> CrowdWatch:
        """A process's own."""
        return CrowdWatch(self.store.crowds, lambda: self.policies, self.store.probes, self.clock, self.shared)

    def come(self, address: str, accounts: int = CROWD) -> None:
        came(self.database, address, accounts, self.clock.at)

    async def says(self, watch: CrowdWatch) -> list[tuple[str, int]]:
        """What it has to say now."""
        self.caplog.clear()
        await watch.look()
        return [(record.__dict__["address"], record.__dict__["accounts"]) for record in self.caplog.records]


@pytest.fixture
def scene(store: Store, clock: StoppedClock, database: Path, caplog: pytest.LogCaptureFixture) -> Scene:
    caplog.set_level(logging.ERROR, "mailguard.jobs")
    return Scene(store, clock, database, caplog)


async def test_it_is_said_once_an_hour_while_it_lasts(scene: Scene) -> None:
    watch = scene.watch()
    scene.come(ROUTER, CROWD - 1)
    assert await scene.says(watch) == []
    scene.come(ROUTER)
    scene.clock.at += ROUND_SECONDS
    assert await scene.says(watch) == [(ROUTER, CROWD)]
    scene.clock.at += AGAIN_SECONDS - 1
    assert await scene.says(watch) == []
    scene.come(DESK, CROWD + 2)
    scene.clock.at += ROUND_SECONDS
    assert await scene.says(watch) == [(ROUTER, CROWD), (DESK, CROWD + 2)]
    assert scene.shared.read(CROWDS) == 2
    scene.clock.at += WITHIN_SECONDS
    assert await scene.says(watch) == [], "a day later nobody came from there any more"


async def test_one_process_looks_a_minute(scene: Scene) -> None:
    first, second = scene.watch(), scene.watch()
    scene.come(ROUTER)
    assert await scene.says(first) == [(ROUTER, CROWD)]
    assert await scene.says(second) == []


async def test_what_everybody_shares_on_purpose_is_not_said(scene: Scene) -> None:
    scene.come(DESK)
    scene.policies = Policies(SHARED)
    assert await scene.says(scene.watch()) == []
    scene.clock.at += ROUND_SECONDS
    scene.policies = Policies(SHARED, {"clinic": Policy()})
    assert await scene.says(scene.watch()) == [(DESK, CROWD)], "their grants are off there"


async def test_a_clock_that_is_set_back_silences_nothing(scene: Scene) -> None:
    watch = scene.watch()
    scene.clock.at += 10 * AGAIN_SECONDS
    scene.come(ROUTER)
    assert await scene.says(watch) == [(ROUTER, CROWD)]
    scene.clock.at -= 10 * AGAIN_SECONDS
    assert await scene.says(watch) == [(ROUTER, CROWD)]
