"""A bureau before real records, administrators who signed in to it, and the people they look after."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailguard import config, keyring
from mailguard.admin.acting import Acting, operator
from mailguard.admin.bureau import Bureau
from mailguard.auth.accounts import Account, AccountName
from mailguard.auth.attempt import Factor, MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.names import Naming
from mailguard.auth.policy import Policies
from mailguard.auth.roles import Role, RoleLimit
from mailguard.auth.standing import SignedIn, Standing
from mailguard.keyring import Keyring
from mailguard.net.threads import Threads
from mailguard.store import Store
from tests.store.words import OPERATOR, StoppedClock

CHIEF = AccountName("chief@example.org")
FRONT = AccountName("front@example.org")  # of the group staff
AWAY = AccountName("away@example.net")
HOST = AccountName("host@example.org")


@dataclass
class Scene:
    """Everything that an act needs."""

    store: Store
    ring: Keyring
    clock: StoppedClock
    threads: Threads

    @property
    def bureau(self) -> Bureau:
        return Bureau(
            store=self.store,
            keyring=self.ring,
            now=self.clock,
            policies=Policies(),
            limits=config.Policy(group={"staff": config.Policy(app_password_expires=3600.0)}),
            protocols=frozenset({MailProtocol.IMAP}),
            canonical=Naming("example.org").canonical,
            beside=self.threads,
            public_url="https://mail.example.org/",
        )

    @property
    def operator(self) -> Acting:
        return operator(OPERATOR)

    async def account(self, name: AccountName, role: Role = Role.NONE, limit: str = "", group: str = "") -> Account:
        how = {"role": role, "role_limit": RoleLimit.parse(limit), "group": group}
        return await self.store.accounts.add(name, actor=OPERATOR, **how)  # type: ignore[arg-type]

    async def signed(self, name: AccountName, standing: Standing = Standing.FULL) -> SignedIn:
        account = await self.store.accounts.get(name)
        assert account is not None
        revision = await self.store.revocations.newest()
        return SignedIn(name, account.id, standing, Factor.CODE, "", revision, self.clock.at)

    async def administrator(self, name: AccountName, role: Role = Role.OWNER, limit: str = "") -> Acting:
        """Somebody with this role, just signed in."""
        await self.account(name, role, limit)
        return await self.bureau.signed_in(await self.signed(name))

    async def recorded(self) -> list[tuple[Event, str, str, str]]:
        rows = [entry.row for entry in await self.store.audit.list()]
        return [(row.event, row.account, row.actor, row.reason) for row in rows]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    ring, clock, threads = keyring.create(tmp_path / "keys.toml"), StoppedClock(), Threads()
    store = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", ring, now=clock)
    yield Scene(store, ring, clock, threads)
    await store.close()
    threads.close()
