import os
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.keyring import KeysError, Purpose


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    keyring.create(path)
    return path


def test_a_new_file_reads_back_and_only_its_owner_may(file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    first, second = keyring.load(file), keyring.load(file)
    assert first.newest.id.startswith("g1-")
    assert first.digest(Purpose.ROW, b"x") == second.digest(Purpose.ROW, b"x")


def test_a_key_file_is_never_overwritten(file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(FileExistsError):
        keyring.create(file)
    assert file.read_bytes() == before


def test_each_purpose_has_its_own_key(file: Path) -> None:
    ring = keyring.load(file)
    assert len({ring.digest(purpose, b"x") for purpose in Purpose}) == len(Purpose)


def test_an_older_generation_still_opens(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    keyring.create(other)
    newer_id = keyring.load(other).newest.id
    file.write_text(other.read_text() + file.read_text())
    os.chmod(file, 0o600)
    ring = keyring.load(file)
    assert ring.newest.id == newer_id
    assert [ring.get(g.id) for g in ring.generations] == list(ring.generations)
    with pytest.raises(KeysError, match="no generation 'g9'"):
        ring.get("g9")


def test_no_repr_shows_a_key(file: Path) -> None:
    text = file.read_text()
    secret = text.split('secret = "')[1].split('"')[0]
    assert secret not in repr(keyring.load(file))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("", "holds no", id="empty"),
        pytest.param("generation = 1", "holds no", id="no table"),
        pytest.param("generation = [1]", "is no table", id="not tables"),
        pytest.param("[[generation]]\ncreated = 2026-01-01T00:00:00Z", "has no id", id="no id"),
        pytest.param('[[generation]]\nid = "a"\ncreated = "x"', "no date", id="no date"),
        pytest.param('[[generation]]\nid = "a"\ncreated = 2026-01-01T00:00:00Z\nsecret = "!"', "32 bytes", id="bad"),
        pytest.param('[[generation]]\nid = "a"\ncreated = 2026-01-01T00:00:00Z', "32 bytes", id="no secret"),
        pytest.param("\x00", "not valid TOML", id="not TOML"),
    ],
)
def test_a_damaged_file_says_what_to_do(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeysError, match=said) as caught:
        keyring.load(path)
    assert str(path) in str(caught.value)


def test_a_file_that_others_can_read_is_refused(file: Path) -> None:
    file.chmod(0o640)
    with pytest.raises(KeysError, match="chmod 0600"):
        keyring.load(file)


def test_a_missing_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="mailguard init"):
        keyring.load(tmp_path / "none.toml")
    with pytest.raises(KeysError, match="cannot be read"):
        keyring.load(tmp_path)


def test_two_generations_of_one_id_are_refused(file: Path) -> None:
    file.write_text(file.read_text() * 2)
    with pytest.raises(KeysError, match="same id"):
        keyring.load(file)
