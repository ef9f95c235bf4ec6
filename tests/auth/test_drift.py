"""What the record says of a clock that is off."""

import pytest

from mailguard.auth import drift


@pytest.mark.parametrize("ahead", [-600, 30, None])
def test_what_is_said_is_read_again(ahead: int | None) -> None:
    assert drift.read(drift.said(ahead)) == ahead


def test_other_details_tell_of_no_clock() -> None:
    assert drift.read("not for imap") is None
