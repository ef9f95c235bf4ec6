import fcntl
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.keyring import KeysError, Purpose
from mailguard.keyring import file as key_file
from tests.store.words import full_disk


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


def test_a_rotation_puts_a_new_generation_first_and_keeps_the_old_ones(file: Path) -> None:
    old = keyring.load(file)
    new = keyring.rotate(file)
    ring = keyring.load(file)
    assert ring.generations == (new, *old.generations)
    assert new.id.startswith("g2-")
    assert ring.newest.key(Purpose.ROW) != old.newest.key(Purpose.ROW)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    keyring.retire(file, old.newest.id)
    assert keyring.load(file).generations == (new,)
    assert keyring.rotate(file).id.startswith("g3-")


def test_a_rotation_keeps_owner_and_link(file: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
    owner = (file.stat().st_uid, file.stat().st_gid)
    link = tmp_path / "link" / "keys.toml"
    link.parent.mkdir()
    link.symlink_to(file)
    keyring.rotate(link)
    assert link.is_symlink()
    assert len(keyring.load(file).generations) == 2
    assert (file.stat().st_uid, file.stat().st_gid) == owner


def test_a_ring_follows_its_file_where_it_must(file: Path) -> None:
    ring, other = keyring.load(file), keyring.load(file)
    new = keyring.rotate(file)
    assert ring.newest != new, "nothing is read before it is needed"
    assert ring.get(new.id) == new
    assert ring.newest == new
    other.reread()
    assert other.newest == new


def test_a_ring_whose_file_cannot_be_read_stays_as_it_was(file: Path) -> None:
    ring = keyring.load(file)
    before = ring.generations
    file.chmod(0o644)
    with pytest.raises(KeysError, match="chmod 0600"):
        ring.get("g9-gone")
    with pytest.raises(KeysError, match="chmod 0600"):
        ring.reread()
    assert ring.generations == before


def test_what_an_interrupted_rotation_left_is_in_nobodys_way(file: Path) -> None:
    left = file.with_name(".keys.toml.new")
    left.write_text("half a fi")
    keyring.rotate(file)
    assert not left.exists()
    assert len(keyring.load(file).generations) == 2


def test_a_full_disk_leaves_the_old_file(file: Path) -> None:
    before = file.read_bytes()
    with full_disk(64), pytest.raises(KeysError, match="cannot be replaced"):
        keyring.rotate(file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_folder_that_is_locked_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file, "LOCK_SECONDS", 0.05)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with pytest.raises(KeysError, match="has locked"):
            keyring.rotate(file)
    finally:
        os.close(folder)
    with pytest.raises(KeysError, match="its folder cannot be opened"):
        keyring.rotate(file.parent / "nowhere" / "keys.toml")


ROTATES = """
import sys
from pathlib import Path
from mailguard import keyring
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    print(keyring.rotate(Path(sys.argv[1])).id, flush=True)
"""


def rotating(file: Path, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ROTATES, str(file), str(times)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("seed", range(3))
def test_a_rotation_that_is_killed_leaves_the_old_or_the_new_file_whole(file: Path, seed: int) -> None:
    with rotating(file, 10_000) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        made = [process.stdout.readline().strip()]
        killer = threading.Timer(random.Random(seed).uniform(0.0, 0.2), process.kill)
        killer.start()
        made += [line.strip() for line in process.stdout if line.endswith("\n")]
        killer.join()
    kept = [generation.id for generation in reversed(keyring.load(file).generations)][1:]
    assert kept[: len(made)] == made, "a generation that was told of is in the file"
    assert len(kept) <= len(made) + 1


def test_of_rotations_at_once_none_is_lost(file: Path) -> None:
    processes = [rotating(file, 10) for _ in range(3)]
    made = {line for process in processes for line in process.communicate("go\n")[0].split()}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(made) == 30
    assert {g.id for g in keyring.load(file).generations} > made
