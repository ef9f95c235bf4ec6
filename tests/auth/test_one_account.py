"""Two names of one account share its throttle, its factor and its record (SECURITY.md, promise 8)."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard import keyring
from mailguard.auth import aliases
from mailguard.auth.attempt import Factor, Reason
from mailguard.auth.names import Naming, canonical
from mailguard.auth.ports import Counts
from mailguard.auth.throttle import ALLOWANCES
from mailguard.store import Store
from tests.auth.test_authenticator import ANN, PASSWORD, Directory, Hands, Scene

FREE = ALLOWANCES[Counts.PAIR].free
NAMING = Naming(
    "example.org",
    frozenset({"mailguard"}),
    aliases=aliases.read(
        "info ann\nbüro@bücher.example ann\nCORP\\* *@example.org\nOLD\\a1 ann",
        partial(canonical, domain="example.org"),
    ),
)
SPELLINGS = ("ann", "ANN@Example.ORG", "ａｎｎ", "info", "INFO@example.org", "büro@xn--bcher-kva.example",
             "CORP\\Ann", "corp＼ann", "CORP\\info", "old\\A1")  # fmt: skip
names = st.sampled_from(SPELLINGS)
some = settings(max_examples=12, deadline=None)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    with tempfile.TemporaryDirectory() as folder:
        ring, hands = keyring.create(Path(folder) / "keys.toml"), Hands()
        store = await Store.open(f"sqlite:///{folder}/mailguard.db", ring, now=hands.now)
        try:
            yield Scene(store, ring, hands, Directory(), naming=NAMING)
        finally:
            await store.close()


async def accounts_in_the_record(at: Scene) -> set[str]:
    return {entry.row.account for entry in await at.store.audit.list() if entry.row.event.startswith("login-")}


@some
@given(st.lists(names, min_size=FREE, max_size=FREE), names)
def test_names_of_one_account_share_its_allowance_of_guesses(guessed: list[str], then: str) -> None:
    async def run() -> None:
        async with scene() as at:
            at.directory.passwords["info@example.org"] = PASSWORD
            for number, name in enumerate(guessed):
                assert await at.outcome(f"wrong {number}", name=name) in (Reason.UNKNOWN_ACCOUNT, Reason.WRONG_PASSWORD)
            assert await at.outcome(PASSWORD, name=then) is Reason.THROTTLED
            assert {name for name, _ in at.directory.asked} == await accounts_in_the_record(at) == {ANN}

    asyncio.run(run())


@some
@given(names, names, names)
def test_names_of_one_account_share_its_factor_and_its_codes(first: str, second: str, third: str) -> None:
    async def run() -> None:
        async with scene() as at:
            assert await at.outcome(PASSWORD, name=first) is Factor.PASSWORD
            assert [account.name for account in await at.store.accounts.list()] == [ANN]
            await at.enrol()
            assert await at.outcome(PASSWORD, name=second) is Reason.CODE_MISSING
            assert await at.outcome(PASSWORD + at.code(), name=first) is Factor.CODE
            assert await at.outcome(PASSWORD + at.code(), name=second) is Factor.GRANT
            assert await at.outcome(PASSWORD + " " + at.code(), name=third) is Reason.WRONG_PASSWORD
            secret, _ = await at.app_password()
            assert await at.outcome(secret, name=third) is Factor.APP_PASSWORD
            assert await accounts_in_the_record(at) == {ANN}

    asyncio.run(run())
