"""A store on a real file, a clock that stands still, and the words of a login."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth.accounts import Account
from mailguard.keyring import Keyring
from mailguard.store import Store, migrate
from tests.store.words import ANN, NOON, OPERATOR, StoppedClock, put


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def keys(tmp_path: Path) -> Keyring:
    return keyring.create(tmp_path / "keys.toml")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "mailguard.db"


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store that was just made. Making one takes longer than most tests here."""
    path = tmp_path_factory.mktemp("empty") / "mailguard.db"
    migrate.ensure(path, NOON)
    return path.read_bytes()


@pytest.fixture
async def store(database: Path, keys: Keyring, clock: StoppedClock, empty: bytes) -> AsyncIterator[Store]:
    put(database, empty)
    store = await Store.open(f"sqlite:///{database}", keys, now=clock)
    yield store
    await store.close()


@pytest.fixture
async def ann(store: Store) -> Account:
    return await store.accounts.add(ANN, actor=OPERATOR)
