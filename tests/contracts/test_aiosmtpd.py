"""What the submission front leans on in the private parts of aiosmtpd 1.4.6, and of asyncio's streams beneath it.

An upgrade that breaks one of these breaks the front; read mailguard/proxy/smtp_hardened.py beside it.
"""

import asyncio
import inspect
import socket
from importlib.metadata import version
from typing import Any

import aiosmtpd.smtp
import pytest
from aiosmtpd.smtp import SMTP


class Peer(asyncio.Transport):
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711)})
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class Probe(SMTP):
    """aiosmtpd with one more command."""

    def __init__(self) -> None:
        super().__init__(None, hostname="mail", ident="probe", loop=asyncio.get_running_loop())
        self.handled: list[Exception] = []

    async def handle_exception(self, error: Exception) -> str:
        self.handled.append(error)
        return "500 handled"

    async def smtp_FAIL(self, arg: str | None) -> None:  # noqa: N802
        raise ValueError(arg)

    async def smtp_GONE(self, arg: str | None) -> None:  # noqa: N802
        self.transport = None

    async def smtp_PAST(self, arg: str | None) -> None:  # noqa: N802
        raise Past


class Past(BaseException):
    """As HangUp."""


async def talk(smtp: SMTP, said: bytes) -> tuple[Peer, asyncio.Task[None]]:
    """Connect, and let the command loop read what the client said."""
    peer = Peer()
    smtp.connection_made(peer)
    smtp.data_received(said)
    task = smtp._handler_coroutine
    assert task is not None
    for _ in range(20):
        await asyncio.sleep(0)
    return peer, task


async def end(smtp: SMTP, task: asyncio.Task[None]) -> None:
    smtp.transport = smtp.transport or Peer()
    smtp.connection_lost(None)
    with pytest.raises((asyncio.CancelledError, Past)):
        await task
    smtp._writer.transport.close()


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("aiosmtpd") == "1.4.6"


async def test_one_task_a_connection_runs_handle_client_and_is_kept() -> None:
    smtp = Probe()
    peer, task = await talk(smtp, b"")
    assert task.get_coro().__qualname__ == "SMTP._handle_client"  # type: ignore[union-attr]
    assert peer.written == b"220 mail probe\r\n"
    assert smtp.transport is peer
    await end(smtp, task)


async def test_the_command_loop_takes_each_line_by_readuntil_without_arguments() -> None:
    asked: list[tuple[object, ...]] = []

    class Lines(asyncio.StreamReader):
        async def readuntil(self, *args: object) -> bytes:
            asked.append(args)
            return await super().readuntil(b"\n")

    smtp = Probe()
    loop = asyncio.get_running_loop()
    lines = Lines(loop=loop)
    # The constructor again, with another reader: it ends up in _reader, and data goes there.
    asyncio.StreamReaderProtocol.__init__(smtp, lines, smtp._cb_client_connected, loop)
    peer, task = await talk(smtp, b"NOOP\r\nNOOP\r\n")
    assert smtp._reader is lines
    assert peer.written == b"220 mail probe\r\n250 OK\r\n250 OK\r\n"
    assert asked == [(), (), ()]
    await end(smtp, task)


async def test_commands_are_found_by_dir_and_only_there() -> None:
    class Few(Probe):
        def __dir__(self) -> list[str]:
            return ["smtp_NOOP"]

    smtp = Few()
    assert smtp._smtp_methods == {"NOOP": smtp.smtp_NOOP}
    assert smtp._auth_methods == {}
    assert "DATA" in Probe()._smtp_methods


async def test_the_constructor_makes_the_same_for_every_connection_but_for_loop_streams_and_methods() -> None:
    loop = asyncio.get_running_loop()
    own = {*vars(asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=loop), lambda *_: None, loop)), "loop"}
    own |= {"_smtp_methods", "_auth_methods"}
    one, other = ({key: value for key, value in vars(Probe()).items() if key not in own} for _ in range(2))
    del one["handled"], other["handled"]
    assert one == other
    assert {key: value for key, value in one.items() if value is not None and not isinstance(value, int | str)} == {
        "_auth_callback": aiosmtpd.smtp.login_always_fail,
        "_handle_hooks": {},
    }
    # What it writes to while it talks is there from the beginning, so that no connection sees another's.
    smtp = Probe()
    made = set(vars(smtp))
    _, task = await talk(smtp, b"EHLO x\r\nNOOP\r\n")
    assert set(vars(smtp)) - made == {"_reader", "_writer"}
    assert smtp._handle_hooks == {}
    await end(smtp, task)


async def test_the_command_loop_reads_commands_from_a_dict_that_may_be_set() -> None:
    smtp = Probe()
    smtp._smtp_methods = {"PING": smtp.smtp_NOOP}
    peer, task = await talk(smtp, b"PING\r\nNOOP\r\n")
    assert peer.written == b'220 mail probe\r\n250 OK\r\n500 Error: command "NOOP" not recognized\r\n'
    await end(smtp, task)


async def test_an_exception_goes_to_handle_exception_and_its_answer_to_push() -> None:
    smtp = Probe()
    peer, task = await talk(smtp, b"FAIL x\r\nNOOP\r\n")
    assert peer.written == b"220 mail probe\r\n500 handled\r\n250 OK\r\n"
    assert [repr(error) for error in smtp.handled] == ["ValueError('x')"]
    await end(smtp, task)


async def test_what_is_no_exception_passes_and_closes_nothing() -> None:
    smtp = Probe()
    peer, task = await talk(smtp, b"PAST\r\n")
    assert task.done()
    assert not peer.closed
    await end(smtp, task)


async def test_without_a_transport_the_command_loop_ends_and_closes_nothing() -> None:
    smtp = Probe()
    peer = Peer()
    smtp.connection_made(peer)
    smtp.data_received(b"GONE\r\nNOOP\r\n")
    task = smtp._handler_coroutine
    assert task is not None
    gone, nothing = smtp.smtp_GONE, Peer()
    nothing.close()

    async def gone_with_all(arg: str | None) -> None:
        await gone(arg)
        smtp._writer._transport = nothing  # type: ignore[attr-defined]  # what it holds when it goes, it closes
        smtp._smtp_methods = {}
        smtp._client_connected_cb = smtp._stream_writer = None  # type: ignore[attr-defined]
        del smtp._writer

    smtp._smtp_methods["GONE"] = gone_with_all
    await task  # and misses nothing
    assert not peer.closed
    assert bytes(smtp._reader._buffer) == b"NOOP\r\n"  # type: ignore[attr-defined]
    assert smtp._timeout_handle is not None
    smtp._timeout_handle.cancel()
    asyncio.StreamReaderProtocol.connection_lost(smtp, None)
    peer.close()


async def test_every_command_resets_the_timeout_by_one_method() -> None:
    resets: list[float | None] = []

    class Timed(Probe):
        def _reset_timeout(self, duration: float | None = None) -> None:
            resets.append(duration)
            super()._reset_timeout(duration)

    smtp = Timed()
    peer, task = await talk(smtp, b"NOOP\r\nNOOP\r\n")
    assert resets == [None, None, None]  # the connection, and two commands
    assert "self._timeout_cb" in inspect.getsource(SMTP._reset_timeout)
    await end(smtp, task)
    assert peer.written.count(b"250") == 2


async def test_a_session_is_made_by_one_method_and_knows_the_ehlo() -> None:
    smtp = Probe()
    _, task = await talk(smtp, b"EHLO x\r\n")
    assert smtp.session is not None
    assert (smtp.session.host_name, smtp.session.extended_smtp) == ("x", True)
    fresh = smtp._create_session()
    assert (fresh.host_name, fresh.extended_smtp) == (None, False)
    await end(smtp, task)


async def test_sizes_of_commands_are_looked_up_on_the_instance() -> None:
    smtp = Probe()
    smtp.command_size_limits = {"NOOP": 10}
    smtp.command_size_limit = 20
    peer, task = await talk(smtp, b"NOOP " + b"x" * 8 + b"\r\nEHLO x\r\nNOOP " + b"x" * 8 + b"\r\n")
    assert peer.written.count(b"250 OK") == 1
    assert peer.written.endswith(b"500 Command line too long\r\n")
    await end(smtp, task)


def test_everything_is_logged_by_one_name_of_the_module() -> None:
    source = inspect.getsource(aiosmtpd.smtp)
    assert source.count("getLogger(") == 1
    assert source.count("\nlog = logging.getLogger('mail.log')\n") == 1


async def test_lines_are_logged_by_a_second_name_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[tuple[object, ...]] = []
    monkeypatch.setattr(aiosmtpd.smtp, "sanitized_log", lambda *args: logged.append(args))
    smtp = Probe()
    _, task = await talk(smtp, b"NOOP\r\n")
    assert [args[-1] for args in logged] == [b"NOOP\r\n", b"NOOP"]
    await end(smtp, task)


async def test_a_given_hostname_spares_the_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve() -> str:
        raise AssertionError("asked the resolver")

    monkeypatch.setattr(socket, "getfqdn", resolve)
    Probe()


async def test_streams_keep_their_transport_and_bytes_where_we_look() -> None:
    smtp = Probe()
    peer, task = await talk(smtp, b"")
    assert smtp._writer._transport is peer  # type: ignore[attr-defined]
    assert smtp._reader._transport is peer  # type: ignore[attr-defined]
    assert isinstance(smtp._reader._buffer, bytearray)  # type: ignore[attr-defined]
    assert callable(smtp._reader._maybe_resume_transport)  # type: ignore[attr-defined]
    closing = getattr(asyncio.StreamWriter, "__del__", None)  # since 3.11.5, when it began to close what it holds
    assert closing is None or "is_closing()" in inspect.getsource(closing)
    await end(smtp, task)
