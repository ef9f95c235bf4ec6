"""What the IMAP leg relies on in private parts of aioimaplib, and the traps that it is there to close.

The version is pinned; these say what to look at before it is raised.
"""

import asyncio
import importlib.metadata
import inspect
import logging

import pytest
from aioimaplib import aioimaplib
from aioimaplib.aioimaplib import AUTH, CONNECTED, NONAUTH, STARTED, Command, Commands, Exec, IMAP4ClientProtocol

from mailguard.backends.imap import ImapWire
from tests.backends.memory_store import MemoryStore


def test_the_version_that_was_read() -> None:
    assert importlib.metadata.version("aioimaplib") == "2.0.3"


def test_what_is_overridden_is_there_to_be_overridden() -> None:
    for name in (
        "connection_made", "data_received", "connection_lost", "send", "_handle_line", "_untagged_response",
        "_continuation", "_response_done",
    ):  # fmt: skip
        theirs = inspect.signature(getattr(IMAP4ClientProtocol, name))
        ours = inspect.signature(getattr(ImapWire, name))
        assert list(ours.parameters) == list(theirs.parameters), name


async def test_the_state_that_is_used() -> None:
    protocol = IMAP4ClientProtocol(asyncio.get_running_loop())
    assert protocol.state == STARTED
    assert protocol.pending_sync_command is None
    assert protocol.pending_async_commands == {}
    assert protocol.transport is None
    assert {"_answer", "_buffer", "_greeted", "_parked", "_scanned", "_secrets"}.isdisjoint(vars(protocol))
    assert (CONNECTED, NONAUTH, AUTH) == ("CONNECTED", "NONAUTH", "AUTH")


async def test_tags_are_what_the_parser_takes_them_for() -> None:
    protocol = IMAP4ClientProtocol(asyncio.get_running_loop())
    tags = [protocol.new_tag() for _ in range(100)]
    assert len(set(tags)) == 100
    assert all(tag.isascii() and tag.isalnum() and len(tag) <= 8 for tag in tags)


@pytest.mark.parametrize("name", ["AUTHENTICATE", "LOGIN", "STARTTLS"])
def test_commands_that_wait_alone(name: str) -> None:
    assert Commands[name].exec is Exec.is_sync
    assert NONAUTH in Commands[name].valid_states


@pytest.mark.parametrize("name", ["CAPABILITY", "ID"])
def test_commands_before_and_after_login(name: str) -> None:
    assert {NONAUTH, AUTH} <= set(Commands[name].valid_states)


@pytest.mark.parametrize("argument", ["a\rb", "a\nb", "a\0b"])
async def test_arguments_cannot_end_a_line(argument: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        Command("LOGIN", "A1", argument)


async def test_a_command_is_sent_as_its_text_and_ended_by_close() -> None:
    sent: list[str] = []

    class Recorder(IMAP4ClientProtocol):  # type: ignore[misc]
        def send(self, line: str, scrub: str | None = None) -> None:
            sent.append(line)

    protocol = Recorder(asyncio.get_running_loop())
    protocol.state = NONAUTH
    command = Command("AUTHENTICATE", "A1", "PLAIN", "xyz", loop=protocol.loop)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(protocol.execute(command))
        await asyncio.sleep(0)
        assert protocol.pending_sync_command is command
        command.close(b"", "done")
    assert sent == ["A1 AUTHENTICATE PLAIN xyz"]
    assert waiting.done()


async def test_an_asynchronous_command_is_found_among_the_pending() -> None:
    wire = ImapWire(asyncio.get_running_loop())
    MemoryStore(wire, [b"* OK hi\r\n", b""])
    await wire.greeting()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(wire.ask("CAPABILITY"))
        await asyncio.sleep(0)
        (command,) = wire.pending_async_commands.values()
        assert command.name == "CAPABILITY"
        wire.data_received(f"{command.tag} OK\r\n".encode())
    assert asked.done()
    assert wire.pending_async_commands == {}


def test_its_loggers_are_off() -> None:
    assert aioimaplib.log.name == "aioimaplib.aioimaplib"
    assert aioimaplib.log.disabled
    names = [name for name in logging.root.manager.loggerDict if name.startswith("aioimaplib")]
    assert set(names) <= {"aioimaplib", "aioimaplib.aioimaplib"}


# Traps: where one of these fails, the library has mended it and its counterpart in backends/imap.py may go.


async def test_a_greeting_is_any_line_with_ok_in_it() -> None:
    protocol = IMAP4ClientProtocol(asyncio.get_running_loop())
    sent = Recording(protocol)
    protocol.data_received(b"* BYE TOKEN revoked\r\n")
    for _ in range(3):
        await asyncio.sleep(0)
    assert protocol.state == NONAUTH
    assert sent.lines
    for task in protocol.tasks:
        task.cancel()


async def test_many_short_lines_exhaust_its_stack() -> None:
    protocol = IMAP4ClientProtocol(asyncio.get_running_loop())
    protocol.state = NONAUTH
    with pytest.raises(RecursionError):
        protocol.data_received(b"* OK\r\n" * 1500)


async def test_a_line_without_end_is_kept_whole() -> None:
    protocol = IMAP4ClientProtocol(asyncio.get_running_loop())
    protocol.state = NONAUTH
    for _ in range(20):
        protocol.data_received(b"x" * 65536)
    assert len(protocol.incomplete_line) == 20 * 65536


class Recording(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self, protocol: IMAP4ClientProtocol) -> None:
        super().__init__()
        self.lines: list[bytes] = []
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.lines.append(bytes(data))
