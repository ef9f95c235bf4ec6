"""Each trap found in aiosmtpd 1.4.6, closed; numbered in the order in which they were found.

Not applicable, and so without a test:

* trap 3, PROXY with implicit TLS: our listener reads a PROXY header before aiosmtpd sees a byte, and aiosmtpd's own
  reader of it is never switched on;
* trap 18, `auth_callback` no longer authenticates: neither it nor `session.authenticated` is used, a login is a
  handover or nothing.
"""

import asyncio
import dataclasses
import gc
import inspect
import logging
import logging.config
import socket
import tracemalloc
import weakref
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from aiosmtpd.smtp import SMTP

from mailguard.proxy.smtp_front import SubmissionFront, SubmissionPort
from tests.proxy.submission import (
    FAILED,
    GREETING,
    KEYWORDS,
    PASSED,
    PATIENCE,
    SAY,
    ByteStore,
    Fronts,
    ScriptedGate,
    StoreLeg,
    plain,
)


class Everything(logging.Handler):
    """Every record of every logger, formatted as a careless operator would have it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record) + repr(record.__dict__))


@pytest.fixture
def logged() -> Iterator[Everything]:
    """All loggers at DEBUG, after a configuration that switches every existing logger on again."""
    everything = Everything()
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in root.manager.loggerDict)]
    before = [(logger, logger.level, logger.disabled) for logger in loggers]
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "incremental": False})
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.disabled = False
    root.addHandler(everything)
    yield everything
    root.removeHandler(everything)
    for logger, level, disabled in before:
        logger.level, logger.disabled = level, disabled


async def test_trap_01_the_writer_that_closes_when_it_goes(fronts: Fronts) -> None:
    class Keeper(ScriptedGate):
        async def relay(self, client: asyncio.Transport, leftover: bytes, leg: object) -> None:
            kept.append(client)
            client.set_protocol(asyncio.Protocol())  # as a relay does
            assert isinstance(leg, StoreLeg)
            leg.abort()

    kept: list[asyncio.Transport] = []
    gate = Keeper(fronts.store)
    gate.hold.set()
    async with fronts.front(gate=gate) as front, front.client() as client:
        await client.login()
        await front.settled()  # the session is over, and with it the last reference to the front
        gc.collect()
        kept[0].write(b"250 still here\r\n")
        assert await client.reply() == b"250 still here\r\n"
        kept[0].abort()


async def test_trap_02_auth_on_implicit_tls(fronts: Fronts) -> None:
    async with fronts.front() as front, front.client() as client:
        await client.reply()
        assert (await client.ask(b"EHLO x")).endswith(b"250 AUTH PLAIN LOGIN\r\n")
        assert await client.ask(b"AUTH PLAIN " + plain()) == PASSED


async def test_trap_04_the_client_is_the_same_after_starttls(fronts: Fronts) -> None:
    # Its address is in the gate, one a connection, and not in a session that aiosmtpd would rebuild.
    async with fronts.front(starttls=True) as front, front.client() as client:
        await client.reply()
        await client.ask(b"STARTTLS")
        await client.start_tls()
        await client.ask(b"EHLO x")
        await client.ask(b"AUTH PLAIN " + plain(b"wrong"))
        assert [attempt[1] for attempt in front.gate.attempts] == [b"wrong"]
        assert len(front.sessions) == 1


SECRET = plain(b"correct horse battery staple")
LEAKS = [
    pytest.param([b"AUTH PLAIN", b"A" * 1001 + SECRET], id="a response over 1001 bytes"),
    pytest.param([b"AUTH PLAIN", b"A" * 13_000 + SECRET], id="a response over 12288 bytes"),
    pytest.param([b"AUTH PLAIN", b"!" + SECRET], id="a response that is not base64"),
    pytest.param([b"AUTH PLAIN", SECRET], id="a response that is refused"),
    pytest.param([b"AUTH PLAIN " + SECRET], id="an initial response"),
    pytest.param([b"AUTH  PLAIN  " + SECRET], id="an initial response behind many spaces"),
    pytest.param([b"AUTH PLAIN " + SECRET + b" " + SECRET], id="two initial responses"),
    pytest.param([b"auth plain\r\n" + SECRET], id="lower case, pipelined"),
    pytest.param([b"AUTH XOAUTH2\r\n" + SECRET], id="an unknown mechanism, pipelined"),
    pytest.param([b"AUTH " + SECRET], id="no mechanism"),
    pytest.param([b"AUT PLAIN " + SECRET], id="a typo in the verb"),
    pytest.param([b"AUTH\tPLAIN\t" + SECRET], id="tabs"),
    pytest.param([b" AUTH PLAIN " + SECRET], id="a space before"),
    pytest.param([SECRET], id="only the response"),
    pytest.param([b"\xff" + SECRET], id="not ASCII"),
    pytest.param([b"EHLO " + SECRET, b"VRFY " + SECRET, b"HELP " + SECRET, b"NOOP " + SECRET], id="as arguments"),
    pytest.param([b"AUTH LOGIN", b"YW5u", b"Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ=="], id="LOGIN"),
    pytest.param([b"AUTH LOGIN " + SECRET, b"Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ"], id="LOGIN, bad base64"),
    pytest.param([b"AUTH PLAIN " + SECRET + b"\n"], id="a bare LF"),
    pytest.param([b"GET /?" + SECRET + b" HTTP/1.1"], id="HTTP"),
    pytest.param([b"STARTTLS\r\nAUTH PLAIN " + SECRET], id="behind STARTTLS"),
    pytest.param([b"AUTH PLAIN " + SECRET[:40], b"AUTH PLAIN " + SECRET + b"A" * 13_000], id="cut, and too long"),
]


@pytest.mark.parametrize("starttls", [True, False])
@pytest.mark.parametrize("said", LEAKS)
async def test_trap_05_no_credential_in_a_log_or_a_reply(
    fronts: Fronts, said: list[bytes], starttls: bool, logged: Everything, capfd: pytest.CaptureFixture[str]
) -> None:
    asyncio.get_running_loop().set_debug(True)
    async with fronts.front(starttls=starttls) as front:
        async with front.client() as client:
            await client.reply()
            await client.ask(b"EHLO x")
            client.send(b"".join(line + b"\r\n" for line in said) + b"QUIT\r\n")
            heard = await client.rest()
        await front.settled()
    pieces = [SECRET.decode()[at : at + 12] for at in range(0, len(SECRET) - 12, 4)]
    pieces += ["correct horse", "battery", "Y29ycmVjdCBob3JzZ"]
    written = "".join([*logged.lines, *capfd.readouterr(), heard.decode("latin-1")]).lower()
    assert [piece for piece in pieces if piece.lower() in written] == []


async def test_trap_05_a_passing_login_leaves_no_credential_in_a_log(fronts: Fronts, logged: Everything) -> None:
    asyncio.get_running_loop().set_debug(True)
    async with fronts.front() as front:
        async with front.client() as client:
            await client.login()
            await client.ask(b"QUIT")
        await front.settled()
    assert "hunter2" not in "".join(logged.lines)
    assert plain().decode() not in "".join(logged.lines)


@pytest.mark.parametrize("mechanism", [b"plain", b"Plain", b"pLAIN"])
@pytest.mark.parametrize("verb", [b"auth", b"Auth"])
async def test_trap_06_mechanisms_in_any_case(fronts: Fronts, verb: bytes, mechanism: bytes) -> None:
    async with fronts.front() as front, front.client() as client:
        await client.reply()
        await client.ask(b"ehlo x")
        assert await client.ask(verb + b" " + mechanism + b" " + plain()) == PASSED


@pytest.mark.parametrize("length", [400, 1_000, 4_000, 9_000])
@pytest.mark.parametrize("initial", [True, False])
async def test_trap_07_long_credentials(fronts: Fronts, length: int, initial: bool) -> None:
    password = b"t" * length
    async with fronts.front() as front, front.client() as client:
        await client.reply()
        await client.ask(b"EHLO x")
        if initial:
            assert await client.ask(b"AUTH PLAIN " + plain(password)) == FAILED
        else:
            await client.ask(b"AUTH PLAIN")
            assert await client.ask(plain(password)) == FAILED
        assert [attempt[1] for attempt in front.gate.attempts] == [password]


async def test_trap_08_another_authzid_is_refused(fronts: Fronts) -> None:
    async with fronts.front() as front, front.client() as client:
        await client.reply()
        await client.ask(b"EHLO x")
        assert await client.ask(b"AUTH PLAIN " + plain(authzid=b"bob@example.org")) == FAILED
        assert front.gate.attempts == []


@pytest.mark.parametrize("length", [20, 1_900, 6_000])
async def test_trap_09_bytes_behind_starttls_close_at_once(fronts: Fronts, length: int) -> None:
    async with fronts.front(starttls=True) as front:
        async with front.client() as client:
            await client.reply()
            client.send(b"STARTTLS\r\n" + b"A" * length)
            assert (await client.rest()).startswith(b"501 5.5.1")
        await front.settled()  # aiosmtpd held the slot for the 60 s of its handshake timeout


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 300, b"A" * 9000])
async def test_trap_10_garbage_behind_starttls_is_not_worth_a_line(
    fronts: Fronts, garbage: bytes, logged: Everything
) -> None:
    async with fronts.front(starttls=True) as front:
        async with front.client() as client:
            await client.reply()
            await client.ask(b"STARTTLS")
            client.send(garbage)
            await client.rest()
        await front.settled()
        assert front.gate.ended == ["no TLS"]
    assert logged.lines == []


async def test_trap_11_a_client_that_leaves_while_its_login_is_checked(fronts: Fronts, logged: Everything) -> None:
    async with fronts.front() as front:
        front.gate.hold.clear()
        async with front.client() as client:
            await client.reply()
            await client.ask(b"EHLO x")
            client.send(b"AUTH PLAIN " + plain() + b"\r\n")
            await front.gate.asked.wait()
            await client.stream.close()
        front.gate.hold.set()
        await front.settled()
        assert (front.gate.decided, front.gate.ended, front.gate.relays) == (1, ["the client left"], 0)
    assert logged.lines == []


async def test_trap_12_noop_does_not_pass_the_deadline(fronts: Fronts) -> None:
    async with fronts.front(deadline=0.4) as front, front.client() as client:
        await client.reply()
        while await client.ask(b"NOOP") == b"250 2.0.0 OK\r\n":
            pass


async def test_trap_12_commands_and_logins_have_a_budget(fronts: Fronts) -> None:
    async with fronts.front() as front, front.client() as client:
        await client.reply()
        await client.ask(b"EHLO x")
        client.send(b"".join(b"AUTH PLAIN " + plain(b"guess %d" % guess) + b"\r\n" for guess in range(50)))
        assert (await client.rest()).endswith(b"421 4.7.0 Too many errors, closing\r\n")
        assert len(front.gate.attempts) == 10


async def test_trap_13_sizes_are_not_shared(fronts: Fronts) -> None:
    before = dict(SMTP.command_size_limits)
    async with fronts.front() as front, front.client() as client, front.client() as other:
        await client.reply()
        for _ in range(3):
            await client.ask(b"EHLO x")
            await other.ask(b"EHLO y")
        for each in (client, other):
            assert await each.ask(b"NOOP " + b"x" * 506) != b"250 2.0.0 OK\r\n"
    assert dict(SMTP.command_size_limits) == before


async def test_trap_14_construction_looks_through_nothing_and_asks_no_resolver(
    fronts: Fronts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> str:
        raise AssertionError("aiosmtpd's constructor ran for a connection")

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(socket, "getfqdn", never)
    port = SubmissionPort("once.example.org", SAY, lambda: KEYWORDS, fronts.context, starttls=True)
    gate = ScriptedGate(fronts.store)
    first = SubmissionFront(port, gate, loop)
    monkeypatch.setattr(inspect, "getmembers", never)
    monkeypatch.setattr(SMTP, "__init__", never)
    second = SubmissionFront(port, gate, loop)
    assert first.hostname == second.hostname == "once.example.org"
    assert first.lines is not second.lines
    other = dataclasses.replace(port, hostname="other.example.org")
    with pytest.raises(AssertionError, match="ran for a connection"):  # what is shared hangs on the name
        SubmissionFront(other, gate, loop)


async def test_trap_15_no_warning_about_login_data(fronts: Fronts, logged: Everything) -> None:
    async with fronts.front() as front:
        async with front.client() as client:
            await client.login()
            await client.ask(b"QUIT")
        await front.settled()
    assert [line for line in logged.lines if "mail.log" in line or "login_data" in line] == []


async def test_trap_16_after_login_the_store_answers_ehlo_itself(fronts: Fronts) -> None:
    async with fronts.front() as front, front.client() as client:
        await client.login()
        assert (await client.ask(b"EHLO again")).startswith(b"250-store\r\n")


async def test_trap_17_parameters_that_aiosmtpd_does_not_know_pass(fronts: Fronts) -> None:
    said = b"MAIL FROM:<ann@example.org> RET=HDRS ENVID=a+3Db AUTH=<> BODY=BINARYMIME\r\nBDAT 3 LAST\r\nhi\n\r\n.\r\n"
    async with ByteStore().running() as store:
        gate = ScriptedGate(store)
        gate.hold.set()
        async with fronts.front(gate=gate) as front, front.client() as client:
            await client.login()
            client.send(said)
            assert await client.reply() == b"250 %d octets\r\n" % len(said)
            assert store.taken == said


async def test_no_task_and_no_front_is_left(fronts: Fronts) -> None:
    before = asyncio.all_tasks()
    async with fronts.front() as front:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(front.client()) for _ in range(5)]
            for client in clients:
                await client.login()
            loops = [task.get_coro() for task in asyncio.all_tasks()]
            assert "SubmissionFront._handle_client" not in [getattr(each, "__qualname__", "") for each in loops]
        await front.settled()
        front.sessions.clear()
    for _ in range(3):
        await asyncio.sleep(0)
        gc.collect()
    assert asyncio.all_tasks() == before
    assert [each for each in gc.get_objects() if isinstance(each, SubmissionFront)] == []


async def test_the_front_is_freed_when_the_relay_begins(fronts: Fronts, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[weakref.ref[SubmissionFront]] = []
    made = SubmissionFront.connection_made

    def remembered(front: SubmissionFront, transport: asyncio.BaseTransport) -> None:
        alive.append(weakref.ref(front))
        made(front, transport)

    monkeypatch.setattr(SubmissionFront, "connection_made", remembered)
    async with fronts.front() as front, front.client() as client:
        gc.disable()  # by what lets go of it, not by who finds it
        try:
            await client.login()
            assert (await client.ask(b"NOOP")).startswith(b"250")
            assert [each() for each in alive] == [None]
        finally:
            gc.enable()


async def test_idle_connections_that_have_each_sent_8_kib_are_small(fronts: Fronts) -> None:
    count = 200
    async with fronts.front(starttls=True) as front, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(front.client()) for _ in range(count)]
        for client in clients:
            assert await client.reply() == GREETING
        tracemalloc.start()
        try:
            for client in clients:
                client.send(b"A" * 8192)
            async with asyncio.timeout(PATIENCE):
                # What was sent; memory has no event.
                while (grown := tracemalloc.get_traced_memory()[0]) <= 8_000 * count:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
            grown, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert grown < 16_000 * count  # as much again for growing buffers


async def test_nothing_of_aiosmtpd_can_be_reached_but_our_commands(fronts: Fronts) -> None:
    port = SubmissionPort("mail.example.org", SAY, tuple, fronts.context, starttls=True)
    front = SubmissionFront(port, ScriptedGate(fronts.store), asyncio.get_running_loop())
    methods = front._smtp_methods
    assert set(methods) == {"EHLO", "HELO", "NOOP", "QUIT", "STARTTLS", "AUTH", "RSET", "HELP", "VRFY"}
    assert {method.__module__ for method in methods.values()} == {"mailguard.proxy.smtp_front"}
    assert front._auth_methods == {}
    assert front._proxy_timeout is None
