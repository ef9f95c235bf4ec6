"""The recheck, on real records, with a source that the test turns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth.accounts import AccountName, SuspendedBy
from mailguard.auth.events import Event
from mailguard.identity.entry import DirectoryTrouble, Seen, Standing
from mailguard.jobs.recheck import RETRY_SECONDS, RecheckJob
from mailguard.store import Store
from mailguard.store.revocations import Kind
from tests.store.words import ANN, BOB, OPERATOR, StoppedClock, sql

EVERY = 900.0


@dataclass
class Source:
    """What it says, and how often it was asked."""

    says: dict[AccountName, Seen] = field(default_factory=dict)
    down: bool = False
    asked: int = 0

    async def observe(self, names: Iterable[AccountName]) -> Mapping[AccountName, Seen]:
        self.asked += 1
        if self.down:
            raise DirectoryTrouble("ldaps://directory: connection refused")
        return {name: self.says.get(name, Seen(Standing.ACTIVE)) for name in names}


@dataclass
class Scene:
    """Two workers' jobs over one set of records."""

    store: Store
    clock: StoppedClock
    source: Source
    every: float = EVERY
    configured: bool = True

    def job(self) -> RecheckJob:
        return RecheckJob(
            lambda: self.source if self.configured else None,
            lambda: self.every,
            self.store.rechecks,
            self.store.probes,
            self.clock,
        )

    async def round(self, **says: Seen) -> None:
        """The next one is due, and this is what the source says of ann and bob."""
        self.source.says = {AccountName(f"{name}@example.org"): seen for name, seen in says.items()}
        self.clock.at += EVERY
        await self.job().look()

    async def suspended(self, name: AccountName = ANN) -> SuspendedBy:
        account = await self.store.accounts.get(name)
        assert account is not None
        return account.suspended_by

    async def events(self) -> list[Event]:
        return [entry.row.event for entry in await self.store.audit.list()]

    async def revoked(self) -> list[Kind]:
        return [revocation.kind for revocation in await self.store.revocations.after(0)]


GONE, DISABLED, ACTIVE = Seen(Standing.GONE), Seen(Standing.DISABLED), Seen(Standing.ACTIVE)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = StoppedClock()
    ring = keyring.create(tmp_path / "keys.toml")
    store = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", ring, now=clock)
    for name in (ANN, BOB):
        await store.accounts.add(name, actor=OPERATOR)
    yield Scene(store, clock, Source())
    await store.close()


async def test_one_process_at_a_time_asks_and_only_when_it_is_due(scene: Scene) -> None:
    first, second = scene.job(), scene.job()
    await first.look()
    await second.look()
    scene.clock.at += EVERY - 1
    await second.look()
    assert scene.source.asked == 1
    scene.clock.at += 1
    await second.look()
    await first.look()
    assert scene.source.asked == 2


async def test_nobody_is_asked_where_nobody_can_tell_or_it_is_off(scene: Scene) -> None:
    scene.configured = False
    await scene.job().look()
    scene.configured, scene.every = True, 0
    await scene.job().look()
    assert scene.source.asked == 0


async def test_a_clock_that_was_set_back_does_not_stop_it(scene: Scene) -> None:
    await scene.job().look()
    scene.clock.at -= 7 * 24 * 3600
    await scene.job().look()
    await scene.job().look()
    assert scene.source.asked == 2


@pytest.mark.parametrize("seen", [GONE, DISABLED])
async def test_a_leaver_is_shut_out_and_cut_off_and_let_in_again(scene: Scene, seen: Seen) -> None:
    await scene.round(ann=seen)
    assert await scene.suspended() is SuspendedBy.SOURCE
    assert await scene.suspended(BOB) is SuspendedBy.NOBODY
    assert await scene.revoked() == [Kind.ACCOUNT]
    row = (await scene.store.audit.list())[-1].row
    assert (row.event, row.account, row.actor) == (Event.ACCOUNT_SUSPENDED, ANN, "system")
    assert "identity source" in row.detail
    await scene.round(ann=seen)
    assert await scene.revoked() == [Kind.ACCOUNT], "told once"
    await scene.round(ann=ACTIVE)
    assert await scene.suspended() is SuspendedBy.NOBODY
    assert (await scene.events())[-1] is Event.ACCOUNT_RESUMED


async def test_what_an_operator_closed_the_source_does_not_open(scene: Scene) -> None:
    await scene.store.accounts.suspend(ANN, actor=OPERATOR)
    await scene.round(ann=ACTIVE)
    assert await scene.suspended() is SuspendedBy.OPERATOR
    await scene.round(ann=GONE)
    await scene.round(ann=ACTIVE)
    assert await scene.suspended() is SuspendedBy.OPERATOR


async def test_a_changed_password_ends_what_the_old_one_opened(scene: Scene) -> None:
    await scene.round(ann=Seen(Standing.ACTIVE, "pwdLastSet 1"))
    assert await scene.revoked() == []
    await scene.round(ann=ACTIVE)  # its attribute cannot be read for once
    await scene.round(ann=Seen(Standing.ACTIVE, "pwdLastSet 1"))
    assert await scene.revoked() == []
    await scene.round(ann=Seen(Standing.ACTIVE, "pwdLastSet 2"))
    assert await scene.revoked() == [Kind.PASSWORD]
    assert (await scene.events())[-1] is Event.PASSWORD_CHANGED
    await scene.round(ann=Seen(Standing.ACTIVE, "pwdLastSet 2"))
    assert await scene.revoked() == [Kind.PASSWORD]


async def test_groups_follow(scene: Scene) -> None:
    await scene.round(ann=Seen(Standing.ACTIVE, group="staff"))
    account = await scene.store.accounts.get(ANN)
    assert account is not None
    assert account.group == "staff"
    await scene.round(ann=Seen(Standing.DISABLED, group="guests"))
    account = await scene.store.accounts.get(ANN)
    assert account is not None
    assert (account.group, account.suspended_by) == ("guests", SuspendedBy.SOURCE)


async def test_a_source_that_is_down_changes_nothing_and_is_asked_again_soon(scene: Scene, tmp_path: Path) -> None:
    await scene.round(ann=Seen(Standing.ACTIVE, "pwdLastSet 1"))
    before = (await scene.events(), sql(tmp_path / "mailguard.db", "SELECT * FROM rechecks"))
    scene.source.down = True
    scene.source.says = {ANN: GONE}
    scene.clock.at += EVERY
    job = scene.job()
    await job.look()
    assert (await scene.events(), sql(tmp_path / "mailguard.db", "SELECT * FROM rechecks")) == before
    asked = scene.source.asked
    scene.source.down = False
    scene.clock.at += RETRY_SECONDS - 1
    await job.look()
    assert scene.source.asked == asked
    scene.clock.at += 1
    await job.look()
    assert await scene.suspended() is SuspendedBy.SOURCE


async def test_a_base_that_moved_suspends_nobody_and_is_told(scene: Scene) -> None:
    crowd = [AccountName(f"p{number}@example.org") for number in range(10)]
    for name in crowd:
        await scene.store.accounts.add(name, actor=OPERATOR)
    scene.source.says = {**dict.fromkeys(crowd, GONE), ANN: GONE, BOB: Seen(Standing.ACTIVE, group="staff")}
    await scene.job().look()
    assert await scene.suspended() is SuspendedBy.NOBODY
    assert await scene.revoked() == [Kind.STANDING], "bob's, who has another group"
    assert Event.RECHECK_HELD in await scene.events()
    row = next(e.row for e in await scene.store.audit.list() if e.row.event is Event.RECHECK_HELD)
    assert "11 accounts" in row.detail
    bob = await scene.store.accounts.get(BOB)
    assert bob is not None
    assert bob.group == "staff"


async def test_a_row_that_was_altered_is_not_healed_by_it(scene: Scene, tmp_path: Path) -> None:
    database = tmp_path / "mailguard.db"
    sql(database, "UPDATE accounts SET suspended_by = '', role = 'owner' WHERE name = ?", ANN)
    altered = sql(database, "SELECT * FROM accounts WHERE name = ?", ANN)
    await scene.round(ann=Seen(Standing.GONE, group="staff"))
    await scene.round(ann=Seen(Standing.ACTIVE, group="staff"))
    assert sql(database, "SELECT * FROM accounts WHERE name = ?", ANN) == altered


async def test_an_account_that_was_removed_meanwhile_is_nobody(scene: Scene) -> None:
    known = await scene.store.rechecks.known()
    await scene.store.accounts.remove(ANN, actor=OPERATOR)
    await scene.store.rechecks.looked({each.account.id: "pwdLastSet 1" for each in known})
    assert [each.account.name for each in await scene.store.rechecks.known()] == [BOB]
