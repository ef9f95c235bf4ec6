"""What a new passkey is made for."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard import keyring
from mailguard.keyring import Keyring, Purpose
from mailguard.web import challenge
from mailguard.web.challenge import SECONDS


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    path: Path = tmp_path_factory.mktemp("keys") / "keys.toml"
    return keyring.create(path)


def test_it_is_read_again_for_five_minutes(ring: Keyring) -> None:
    made, form = challenge.issue(ring, "session", 1000.0)
    assert len(made) == 32
    assert challenge.read(ring, "session", form, 1000.0 + SECONDS - 1) == made
    assert challenge.read(ring, "session", form, 1000.0 + SECONDS) is None
    assert challenge.issue(ring, "session", 1000.0)[0] != made


def test_it_is_of_one_session(ring: Keyring) -> None:
    _, form = challenge.issue(ring, "session", 1000.0)
    assert challenge.read(ring, "another", form, 1000.0) is None


def test_a_rotation_of_the_keys_leaves_it_good(ring: Keyring, tmp_path: Path) -> None:
    made, form = challenge.issue(ring, "session", 1000.0)
    newer = keyring.create(tmp_path / "keys.toml")
    both = Keyring((*newer.generations, *ring.generations))
    assert both.newest.key(Purpose.PASSKEY) != ring.newest.key(Purpose.PASSKEY)
    assert challenge.read(both, "session", form, 1000.0) == made
    assert challenge.read(newer, "session", form, 1000.0) is None


@given(st.data())
def test_nobody_makes_one_up(ring: Keyring, data: st.DataObject) -> None:
    _, form = challenge.issue(ring, "session", 1000.0)
    octets = bytearray(base64.urlsafe_b64decode(form))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    assert challenge.read(ring, "session", base64.urlsafe_b64encode(bytes(octets)).decode(), 1000.0) is None
    assert challenge.read(ring, "session", data.draw(st.text(max_size=120)), 1000.0) is None
