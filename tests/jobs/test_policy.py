"""Live sessions are judged anew when the policy has changed or its day has come, and then only."""

import logging
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest

from mailguard.auth.policy import Policies, Policy, TrustedNetwork
from mailguard.auth.ports import StoreUnavailable
from mailguard.config import TwoFactor
from mailguard.jobs.policy import PolicyWatch
from tests.store.words import NOON, StoppedClock

DUE, OVER = NOON + 3600.0, NOON + 7200.0
TRUST = TrustedNetwork(ip_network("192.0.2.0/24"), until=OVER)


@dataclass
class Scene:
    """What a watch sees, and what it has done about it."""

    clock: StoppedClock = field(default_factory=StoppedClock)
    policies: Policies = field(default_factory=Policies)
    away: bool = False  # the records
    judged: list[float] = field(default_factory=list)
    curbed: list[Policies] = field(default_factory=list)

    def watch(self) -> PolicyWatch:
        return PolicyWatch(lambda: self.policies, self.judge, self.curb, self.clock)

    def judge(self, policies: Policies, now: float) -> int:
        assert policies is self.policies
        self.judged.append(now)
        return 2

    async def curb(self, policies: Policies) -> int:
        if self.away:
            raise StoreUnavailable("disk full")
        self.curbed.append(policies)
        return 1


async def test_nothing_is_done_until_something_has_changed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mailguard.jobs")
    scene = Scene()
    watch = scene.watch()
    for _ in range(3):
        scene.clock.at += 3600.0
        await watch.look()
    assert (scene.judged, scene.curbed) == ([], [])
    scene.policies = Policies(Policy(two_factor=TwoFactor.ENFORCE))
    await watch.look()
    await watch.look()
    assert (scene.judged, scene.curbed) == ([scene.clock.at], [scene.policies])
    (said,) = caplog.records
    assert (said.__dict__["sessions_ended"], said.__dict__["grants_cut_short"]) == (2, 1)


@pytest.mark.parametrize("grouped", [False, True])
async def test_each_day_that_a_policy_names_comes_once(grouped: bool) -> None:
    policy = Policy(two_factor=TwoFactor.ENFORCE, enforce_from=DUE, trusted_networks=(TRUST,))
    scene = Scene(policies=Policies(Policy(), {"clinic": policy}) if grouped else Policies(policy))
    watch = scene.watch()
    for at in (DUE - 0.25, DUE, DUE + 0.25, OVER - 0.25, OVER + 0.25, OVER + 3600.0):
        scene.clock.at = at
        await watch.look()
    assert scene.judged == [DUE, OVER + 0.25]


async def test_a_change_while_the_records_are_away_is_made_good_once_they_are_back() -> None:
    scene = Scene(policies=Policies(Policy(two_factor=TwoFactor.ENFORCE, enforce_from=DUE)))
    watch = scene.watch()
    scene.away, scene.clock.at = True, DUE
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await watch.look()
    assert scene.judged == [DUE, DUE], "sessions end all the same: that takes no records"
    scene.away, scene.clock.at = False, DUE + 60.0
    await watch.look()
    await watch.look()
    assert (scene.judged[2:], scene.curbed) == ([DUE + 60.0], [scene.policies])
