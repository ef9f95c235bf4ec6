from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.keyring import Keyring


@pytest.fixture(scope="session")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """A key file's worth of keys."""
    path: Path = tmp_path_factory.mktemp("keys") / "keys.toml"
    return keyring.create(path)
