"""The framing under the submission front: one reading of the bytes, however they are cut."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.proxy.smtp_lines import AUTH_MAX, COMMAND_MAX, SWALLOW_MAX, CommandReader, Complaint, Farewell, HangUp

PIECES = st.lists(
    st.one_of(
        st.sampled_from([b"\r\n", b"\r", b"\n", b"AUTH PLAIN ", b"EHLO x", b" ", b"\0", b"GET / HTTP/1.1", b"auth x"]),
        st.binary(max_size=8),
        st.integers(1, 70_000),  # so many x
    ),
    max_size=12,
)


def written(pieces: list[bytes | int]) -> bytes:
    """Ended by a line end: what comes of an endless line that the client itself breaks off is nobody's concern."""
    return b"".join(piece if isinstance(piece, bytes) else b"x" * piece for piece in pieces) + b"\r\n"


def read_all(data: bytes, cuts: list[int], *, responses: bool = False) -> list[str]:
    """What comes out when the bytes arrive in pieces, each piece read before the next."""

    async def read() -> list[str]:
        loop = asyncio.get_running_loop()
        reader = CommandReader(lambda line: None, loop)
        edges = [0, *sorted(cuts), len(data)]

        async def arrive() -> None:
            for start, end in pairwise(edges):
                reader.feed_data(data[start:end])
                for _ in range(4):
                    await asyncio.sleep(0)
            reader.feed_eof()

        heard: list[str] = []
        async with asyncio.TaskGroup() as group:
            group.create_task(arrive())
            while True:
                try:
                    line = await (reader.response() if responses else reader.readuntil())
                    heard.append(f"{line!r}")
                except Farewell as end:
                    heard.append(end.reply)
                    break
                except Complaint as complaint:
                    heard.append(complaint.reply)
                except HangUp as end:
                    heard.append(end.why)
                    break
        return heard

    with asyncio.Runner() as runner:
        return runner.run(read())


@settings(deadline=None)
@given(pieces=PIECES, cuts=st.lists(st.integers(0, 999), max_size=6), responses=st.booleans())
def test_any_cut_of_the_bytes_reads_the_same(pieces: list[bytes | int], cuts: list[int], responses: bool) -> None:
    data = written(pieces)
    places = [len(data) * cut // 1000 for cut in cuts]
    assert read_all(data, places, responses=responses) == read_all(data, [], responses=responses)


@settings(deadline=None)
@given(pieces=PIECES)
def test_what_is_let_through_is_whole_capped_and_free_of_bare_line_ends(pieces: list[bytes | int]) -> None:
    for said in read_all(written(pieces), []):
        if said.startswith(("b'", 'b"')):
            line: bytes = eval(said)
            assert line.endswith(b"\r\n")
            assert b"\r" not in line[:-2]
            assert len(line) <= (AUTH_MAX if line[:5].upper() == b"AUTH " else COMMAND_MAX)


@pytest.mark.parametrize("cuts", [[], [20_000], list(range(0, SWALLOW_MAX, 1000))])
def test_how_much_of_a_line_is_swallowed(cuts: list[int]) -> None:
    longest = b"x" * (SWALLOW_MAX - 2) + b"\r\n"
    assert read_all(longest + b"NOOP\r\n", cuts) == ["500 5.5.6 Line too long", r"b'NOOP\r\n'", "the client left"]
    assert read_all(b"x" + longest, cuts) == ["500 5.5.6 Line too long"]


async def test_what_is_not_admitted_is_not_read() -> None:
    def admit(line: bytes) -> None:
        seen.append(line)
        raise Complaint("530 no")

    seen: list[bytes] = []
    reader = CommandReader(admit, asyncio.get_running_loop())
    reader.feed_data(b"DATA x\r\nrest")
    with pytest.raises(Complaint):
        await reader.readuntil()
    assert seen == [b"DATA x"]
    assert reader.leftover() == b"rest"
    assert reader.leftover() == b""
