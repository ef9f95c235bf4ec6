"""A desk before real records, and people who signed in to it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest

from mailguard import config, keyring
from mailguard.auth import recovery
from mailguard.auth.accounts import CodeKind
from mailguard.auth.attempt import MailProtocol, Refused
from mailguard.auth.policy import Policies
from mailguard.auth.standing import SignedIn
from mailguard.desk.desk import Desk
from mailguard.net.threads import Threads
from mailguard.store import Store
from tests.auth.test_authenticator import ANN, Hands
from tests.auth.test_signin import OPERATOR, Listening, Scene


@dataclass
class Office(Scene):
    """A sign-in scene, with the desk behind it."""

    limits: config.Policy = config.Policy()  # noqa: RUF009  (frozen)
    own: frozenset[MailProtocol] = frozenset()

    @property
    def desk(self) -> Desk:
        return Desk(
            store=self.store,
            keyring=self.ring,
            clock=self.hands,
            policies=Policies(self.policy),
            limits=self.limits,
            own=self.own,
            beside=self.threads,
            issuer="mail.example.org",
        )

    async def signed(self, second: str = "", **how: object) -> SignedIn:
        done = await self.decided(second, **how)  # type: ignore[arg-type]  # passed on as it is
        assert not isinstance(done, Refused), done
        return done

    async def full(self) -> SignedIn:
        """Signed in with an authenticator."""
        await self.enrol()
        return await self.signed(self.digits())

    async def bypass(self, *, may_enrol: bool = False) -> SignedIn:
        return await self.signed(await self.code(CodeKind.BYPASS, may_enrol=may_enrol))

    async def recovery(self) -> str:
        made = recovery.make(1)
        await self.store.codes.issue(ANN, CodeKind.RECOVERY, made, actor=OPERATOR)
        return recovery.grouped(made.codes[0])

    def shown_by(self, seed: bytes, offset: int = 0) -> str:
        return pyotp.TOTP(seed.decode()).at(int(self.hands.at) + 30 * offset)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    ring, hands, threads = keyring.create(tmp_path / "keys.toml"), Hands(), Threads()
    store = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", ring, now=hands.now)
    yield Office(store, ring, hands, Listening(), threads)
    await store.close()
    threads.close()
