"""Conversations of real clients, in any cut of the bytes."""

from pathlib import Path

import pytest

from tests.support.transcripts import FOLDER, read, replay

SCRIPTS = sorted((FOLDER / "imap").glob("*.txt"))
TRAILING = b"99 SELECT INBOX\r\n100 APPEND x {3+}\r\n\x00\n\r"


def test_the_transcripts_are_there() -> None:
    assert len(SCRIPTS) >= 12


@pytest.mark.parametrize("step", [1, 3, 7, 4096])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_imap_before_login(script: Path, step: int) -> None:
    transcript = read(script)
    heard, leftover = replay(transcript, step)
    assert heard == list(transcript.heard)
    assert leftover == b""


@pytest.mark.parametrize("step", [1, 5, 4096])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_bytes_behind_the_end_are_kept_for_the_store_or_dropped(script: Path, step: int) -> None:
    transcript = read(script)
    heard, leftover = replay(transcript, step, TRAILING)
    assert heard == list(transcript.heard)
    closed = str(transcript.heard[-1]).startswith("close")
    assert leftover == (b"" if closed else TRAILING)


def test_thunderbird_offers_one_wrong_string_three_times() -> None:
    heard, _ = replay(read(FOLDER / "imap" / "thunderbird_wrong_string.txt"), 4096)
    logins = [event.split() for event in heard if isinstance(event, str) and event.startswith("login")]
    assert [mechanism for *_, mechanism in logins] == ["PLAIN", "LOGIN", "LOGIN-COMMAND"]
    assert len({(name, secret) for _, name, secret, _ in logins}) == 1
