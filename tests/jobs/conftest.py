"""A store on a real file and a clock that stands still, for jobs that work on the records."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth.accounts import Account
from mailguard.keyring import Keyring
from mailguard.store import Store
from tests.store.words import ANN, OPERATOR, StoppedClock


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def keys(tmp_path: Path) -> Keyring:
    return keyring.create(tmp_path / "keys.toml")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "mailguard.db"


@pytest.fixture
async def store(database: Path, keys: Keyring, clock: StoppedClock) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{database}", keys, now=clock)
    yield store
    await store.close()


@pytest.fixture
async def ann(store: Store) -> Account:
    return await store.accounts.add(ANN, actor=OPERATOR)
