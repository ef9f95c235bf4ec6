"""The client's name, read along in a relay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.protocols.server.id_tap import READ_MAX, IdTap
from tests.support.transcripts import cut

ID = b'8 ID ("name" "Thunderbird" "version" "140.1")\r\n'


def read_along(data: bytes, step: int = 4096) -> tuple[str, bool]:
    """The name found, and whether the tap was done before the data ended."""
    tap = IdTap()
    return next(((str(tap.client), True) for piece in cut(data, step) if tap.feed(piece)), (str(tap.client), False))


@pytest.mark.parametrize("step", [1, 3, 4096])
@pytest.mark.parametrize(
    ("data", "name"),
    [
        pytest.param(ID, "Thunderbird 140.1", id="at once"),
        pytest.param(b"5 NAMESPACE\r\n6 ENABLE CONDSTORE\r\n" + ID, "Thunderbird 140.1", id="Thunderbird's order"),
        pytest.param(b'2 id ("name" "iPhone Mail" "version" "21A" "os" "iOS")\r\n', "iPhone Mail 21A", id="iOS"),
        pytest.param(b'a ID ("name" {3}\r\nK-9 {7+}\r\nversion {3+}\r\n6.8)\r\n', "K-9 6.8", id="literals"),
        pytest.param(b'a ID ("name" NIL "version" "6")\r\n', "6", id="NIL value"),
        pytest.param(b"a ID NIL\r\n", "", id="NIL"),
        pytest.param(b"a IDLE\r\nDONE\r\n" + ID, "Thunderbird 140.1", id="behind IDLE"),
        pytest.param(b"a APPEND x {5}\r\n\r\n\0ab\r\n" + ID, "Thunderbird 140.1", id="behind a literal"),
        pytest.param(
            b"a APPEND x ~{2+}\r\nab {0}\r\n\r\n" + ID, "Thunderbird 140.1", id="behind literal8 and MULTIAPPEND"
        ),
        pytest.param(
            b'a APPEND x {26+}\r\nb ID ("name" "a letter")\r\n\r\n' + ID, "Thunderbird 140.1", id="within a letter"
        ),
        pytest.param(
            b'a APPEND x {26}\r\nb ID ("name" "a letter")\r\n\r\na COMPRESS DEFLATE\r\n', "", id="only in a letter"
        ),
        pytest.param(b"a COMPRESS DEFLATE\r\n" + ID, "", id="compressed"),
        pytest.param(b'a ID ("name" x)\r\n' + ID, "", id="malformed ID"),
        pytest.param(b"a NOOP\n" + ID, "", id="bare newline"),
        pytest.param(b"\x78\x9c\x01\r\n" + ID, "", id="no command"),
    ],
)
def test_the_first_id_command_names_the_client(data: bytes, name: str, step: int) -> None:
    assert read_along(data, step) == (name, True)


def test_it_stays_while_there_is_no_id() -> None:
    assert read_along(b"a NOOP\r\nb ID (", 1) == ("", False)


@pytest.mark.parametrize("step", [1, 100, 10_000])
def test_it_gives_up_after_a_few_octets(step: int) -> None:
    assert read_along(b"a NOOP\r\n" * (READ_MAX // 8) + ID, step) == ("", True)
    assert read_along(b"a APPEND x {10000}\r\n" + b"x" * 10_000 + b"\r\n" + ID, step) == ("", True)


def test_an_id_that_ends_with_the_last_octet_counts() -> None:
    filler = b"a NOOP " + b"x" * (READ_MAX - len(ID) - 9) + b"\r\n"
    assert read_along(filler + ID) == ("Thunderbird 140.1", True)
    assert read_along(b"x" + filler + ID) == ("", True)


def test_a_call_too_many_is_harmless() -> None:
    tap = IdTap()
    assert tap.feed(ID)
    assert tap.feed(b'9 ID ("name" "other")\r\n')
    assert str(tap.client) == "Thunderbird 140.1"


PIECES = st.sampled_from(
    [ID, b"a ", b"ID ", b"(", b")", b'"name" ', b"{3}\r\n", b"{2+}\r\n", b"abc", b"\r\n", b"\n", b"\xff", b"b NOOP\r\n"]
)


@given(st.lists(PIECES, max_size=40), st.integers(1, 50))
def test_any_cut_gives_the_same_name_and_no_bytes_raise(pieces: list[bytes], step: int) -> None:
    data = b"".join(pieces)
    assert read_along(data, step) == read_along(data)
