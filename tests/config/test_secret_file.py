"""What the file of a secret may hold, and what is said where it holds something else."""

from pathlib import Path

import pytest

from mailguard.config import ConfigError
from mailguard.config.secret_file import secret_in


@pytest.mark.parametrize("content", [b"pa ss", b"pa ss\n", b"pa ss\r\n"])
def test_one_line_is_the_secret_and_its_blanks_belong_to_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    assert secret_in(file, "some.key", "the word").reveal() == b"pa ss"


@pytest.mark.parametrize("content", [b"", b"\n", b"one\ntwo\n", b"pass\n\n", b"pa\0ss"])
def test_anything_else_is_no_secret(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        secret_in(file, "some.key", "the word")
    assert str(raised.value) == f"some.key: {file} must hold the word alone, on one line"


def test_a_file_that_is_not_there_is_named_with_what_belongs_into_it(tmp_path: Path) -> None:
    file = tmp_path / "nowhere"
    with pytest.raises(ConfigError) as raised:
        secret_in(file, "some.key", "the word")
    assert str(raised.value) == (
        f"some.key: {file} cannot be read (No such file or directory); put the word there, mode 0600"
    )
