"""Lines reach whoever reads them, and nobody waits for a reader who does not."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.config import AuditStream
from mailguard.observe.stream import LineStream, ToSyslog, opened, to_stdout


class Reader:
    """Takes lines, once it is allowed to."""

    def __init__(self) -> None:
        self.read: list[bytes] = []
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.trouble: OSError | None = None

    def __call__(self, line: bytes) -> None:
        self.entered.set()
        assert self.go_on.wait(10)
        if self.trouble is not None:
            raise self.trouble
        self.read.append(line)


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.go_on.set()


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, object]]:
    return [(r.getMessage(), r.__dict__.get("lines")) for r in caplog.records if r.name == "mailguard.stream"]


def test_lines_come_in_their_order(reader: Reader) -> None:
    reader.go_on.set()
    stream = LineStream(reader)
    for number in range(100):
        stream.put(f"zwölf {number}")
    stream.close()
    assert reader.read == [f"zwölf {number}".encode() for number in range(100)]


def test_a_reader_that_hangs_holds_nobody_up_and_what_is_lost_is_counted(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    stream = LineStream(reader, waiting=3)
    stream.put("in hand")
    assert reader.entered.wait(10)
    for number in range(10):
        stream.put(str(number))
    assert said(caplog) == [("lines of the stream are dropped", None)]
    reader.go_on.set()
    stream.close()
    assert reader.read == [b"in hand", b"0", b"1", b"2"]
    assert said(caplog)[1:] == [("lines of the stream were dropped", 7)]


def test_the_end_waits_for_a_hanging_reader_no_longer_than_it_is_told(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    stream = LineStream(reader)
    for number in range(5):
        stream.put(str(number))
    assert reader.entered.wait(10)
    stream.close(0.01)
    assert said(caplog) == [("lines of the stream were dropped", 5)]


def test_a_reader_that_is_gone_costs_lines_and_no_more(reader: Reader, caplog: pytest.LogCaptureFixture) -> None:
    reader.go_on.set()
    reader.trouble = BrokenPipeError(32, "Broken pipe")
    stream = LineStream(reader)
    stream.put("lost")
    stream.close()
    assert said(caplog) == [("lines of the stream are dropped", None), ("lines of the stream were dropped", 1)]
    assert caplog.records[0].__dict__["detail"] == "Broken pipe"


def test_standard_output_gets_whole_lines(capfd: pytest.CaptureFixture[str]) -> None:
    stream = opened(AuditStream.STDOUT)
    assert stream is not None
    stream.put('{"long": "%s"}' % ("x" * 100_000))
    stream.put("{}")
    stream.close()
    assert capfd.readouterr().out == '{"long": "%s"}\n{}\n' % ("x" * 100_000)


def test_syslog_gets_a_datagram_a_line_and_may_be_started_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    to_syslog = ToSyslog(str(path))
    with pytest.raises(OSError, match="No such file"):
        to_syslog(b"nobody listens")
    for _ in range(2):
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(path))
            to_syslog(b'{"event": "x"}')
            assert listener.recv(999) == b'<86>mailguard-audit: {"event": "x"}'
    to_syslog._let_go()


def test_a_stream_is_opened_where_one_is_configured() -> None:
    assert opened(AuditStream.NONE) is None
    syslog = opened(AuditStream.SYSLOG)
    assert syslog is not None
    syslog.close()


def test_writing_may_be_cut_into_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[bytes] = []

    def write(descriptor: int, data: bytes) -> int:
        pieces.append(bytes(data[:4]))
        return min(4, len(data))

    monkeypatch.setattr(os, "write", write)
    to_stdout(b"123456789")
    assert b"".join(pieces) == b"123456789\n"
