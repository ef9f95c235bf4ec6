"""From AUTH to the relay: nothing that a client sends is lost, reordered or read too early, whoever leaves when."""

import asyncio
import socket
import tracemalloc

import pytest

from mailguard.net.relay import Relay
from mailguard.proxy import smtp_hardened
from tests.proxy.submission import (
    FAILED,
    GREETING,
    HOST,
    PASSED,
    ByteStore,
    Fronts,
    ScriptedGate,
    StoreLeg,
    plain,
)

LETTER = b"From: ann@example.org\r\nSubject: hi\r\n\r\nhello\r\n"
SENDING = (
    b"EHLO client.example\r\nMAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n%b.\r\nQUIT\r\n"
    % LETTER
)
SENT = [b"250", b"250", b"250", b"354", b"250", b"221"]


@pytest.mark.parametrize("step", [1, 100, 100_000])
async def test_a_letter_pipelined_behind_auth_is_delivered(fronts: Fronts, step: int) -> None:
    said = b"EHLO client.example\r\nAUTH PLAIN " + plain() + b"\r\n" + SENDING
    async with fronts.front() as front:
        async with front.client() as client:
            for at in range(0, len(said), step):
                client.send(said[at : at + step])
                await asyncio.sleep(0)
            assert await client.reply() == GREETING
            await client.reply()
            assert await client.reply() == PASSED
            assert [(await client.reply())[:3] for _ in SENT] == SENT
            assert await client.rest() == b""
        letter = await fronts.store.letters.get()
        assert (letter.sender, letter.recipients, letter.content) == ("ann@example.org", ["bob@example.org"], LETTER)
        if step == 100_000:
            assert front.gate.leftovers == [SENDING]
        await front.settled()
        assert (front.gate.relays, front.gate.ended, front.admitted) == (1, [], 1)


async def test_what_comes_while_the_decision_is_awaited_is_kept_in_order(fronts: Fronts) -> None:
    async with fronts.front() as front:
        front.gate.hold.clear()
        async with front.client() as client:
            assert await client.reply() == GREETING
            await client.ask(b"EHLO x")
            client.send(b"AUTH PLAIN " + plain() + b"\r\n" + SENDING[:30])
            await front.gate.asked.wait()
            client.send(SENDING[30:90])
            await asyncio.sleep(0)
            client.send(SENDING[90:])
            front.gate.hold.set()
            assert await client.reply() == PASSED
            assert [(await client.reply())[:3] for _ in SENT] == SENT
        assert (await fronts.store.letters.get()).content == LETTER


async def test_after_a_refusal_what_followed_is_read_as_commands(fronts: Fronts) -> None:
    async with fronts.front() as front:
        front.gate.hold.clear()
        async with front.client() as client:
            assert await client.reply() == GREETING
            await client.ask(b"EHLO x")
            client.send(b"AUTH PLAIN " + plain(b"wrong") + b"\r\nNOOP\r\nMAIL FROM:<ann@example.org>\r\nQUIT\r\n")
            await front.gate.asked.wait()
            front.gate.hold.set()
            assert await client.rest() == (
                FAILED + b"250 2.0.0 OK\r\n530 5.7.0 Authentication required\r\n221 2.0.0 Bye\r\n"
            )
        await front.settled()
        assert front.gate.ended == ["quit"]


async def test_what_is_kept_is_bounded(fronts: Fronts) -> None:
    body = b"x" * 998 + b"\r\n"
    said = SENDING.replace(LETTER, body * 30_000)
    async with fronts.front() as front:
        front.gate.hold.clear()
        async with front.client() as client:
            await client.reply()
            await client.ask(b"EHLO x")
            client.send(b"AUTH PLAIN " + plain() + b"\r\n")
            pieces = (said[at : at + 65536] for at in range(0, len(said), 65536))
            while await client.takes(next(pieces)):
                pass
            front.gate.hold.set()
            for piece in pieces:
                client.send(piece)
                await client.stream.drain()
            assert await client.reply() == PASSED
            assert [(await client.reply())[:3] for _ in SENT] == SENT
        assert (await fronts.store.letters.get()).size == len(body) * 30_000
        assert len(front.gate.leftovers[0]) <= 64 * 1024 + 256 * 1024  # and one receive of the loop


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("reset", [True, False])
async def test_a_client_that_leaves_does_not_cancel_its_decision(
    fronts: Fronts, right: bool, reset: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with fronts.front() as front:
        front.gate.hold.clear()
        async with front.client() as client:
            await client.reply()
            await client.ask(b"EHLO x")
            client.send(b"AUTH PLAIN " + (plain() if right else plain(b"wrong")) + b"\r\nNOOP\r\n")
            await front.gate.asked.wait()
            if reset:
                client.reset()
            else:
                await client.stream.close()
        assert not front.sessions[0].done()
        front.gate.hold.set()
        await front.settled()
        assert front.gate.ended == ["the client left"]
        assert front.gate.decided == 1
        assert [leg.aborted for leg in front.gate.legs] == ([True] if right else [])
        assert (front.gate.relays, front.admitted) == (0, 0)
    assert caplog.records == []


async def test_a_half_closed_client_is_answered(fronts: Fronts, caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    async with fronts.front(starttls=True) as front:
        with socket.create_connection((HOST, front.port)) as sock:
            sock.setblocking(False)
            await loop.sock_sendall(sock, b"NOOP\r\nVRFY ann\r\nNOO")
            sock.shutdown(socket.SHUT_WR)
            heard = b""
            while more := await loop.sock_recv(sock, 1000):
                heard += more
        assert heard == GREETING + b"250 2.0.0 OK\r\n530 5.7.0 Must issue a STARTTLS command first\r\n"
        await front.settled()
        assert front.gate.ended == ["the client left"]
    assert caplog.records == []


async def test_the_deadline_covers_the_whole_dialogue(fronts: Fronts) -> None:
    async with fronts.front(deadline=0.3) as front:
        async with front.client() as client:
            assert await client.reply() == GREETING
            while (answer := await client.ask(b"NOOP")) == b"250 2.0.0 OK\r\n":
                pass
            assert answer in (b"421 4.4.2 Too slow, closing\r\n", b"")
        await front.settled()
        assert front.gate.ended == ["too slow"]


async def test_a_silent_client_is_told_why_it_is_left(fronts: Fronts) -> None:
    async with fronts.front(deadline=0.1) as front, front.client() as client:
        assert await client.rest() == GREETING + b"421 4.4.2 Too slow, closing\r\n"


async def test_the_deadline_cuts_a_handshake(fronts: Fronts) -> None:
    async with fronts.front(starttls=True, deadline=1.0) as front:
        async with front.client() as client:
            await client.reply()
            assert await client.ask(b"STARTTLS") == b"220 2.0.0 Ready to start TLS\r\n"
            assert await client.rest() == b""
        await front.settled()
        assert front.gate.ended == ["too slow"]


@pytest.mark.parametrize("right", [True, False])
async def test_the_deadline_lets_a_decision_end(fronts: Fronts, right: bool) -> None:
    async with fronts.front(deadline=1.0) as front:
        front.gate.hold.clear()
        async with front.client() as client:
            await client.reply()
            await client.ask(b"EHLO x")
            client.send(b"AUTH PLAIN " + (plain() if right else plain(b"wrong")) + b"\r\nEHLO y\r\n")
            await front.gate.asked.wait()
            await asyncio.sleep(1.1)
            front.gate.hold.set()
            if right:
                assert await client.reply() == PASSED
                assert (await client.reply()).startswith(b"250-store")
            else:
                assert await client.rest() == FAILED
        await front.settled()
        assert front.gate.ended == ([] if right else ["too slow"])


async def test_a_client_that_never_reads_does_not_outlive_the_deadline(
    fronts: Fronts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_hardened, "LINGER", 0.3)
    loop = asyncio.get_running_loop()
    async with fronts.front(starttls=True, deadline=0.5, keywords=lambda: (b"X" * 400_000,)) as front:
        with socket.create_connection((HOST, front.port)) as sock:
            sock.setblocking(False)
            await loop.sock_sendall(sock, b"EHLO x\r\n" * 60)
            await front.settled()
        assert front.gate.ended == ["too slow"]


@pytest.mark.parametrize("moment", ["handshake", "dialogue", "decision", "relay"])
async def test_a_session_cancelled_leaves_nothing(fronts: Fronts, moment: str) -> None:
    async with fronts.front(starttls=moment == "handshake") as front:
        front.gate.hold.clear()
        async with front.client() as client:
            await client.reply()
            if moment == "handshake":
                await client.ask(b"STARTTLS")
            else:
                await client.ask(b"EHLO x")
            if moment in ("decision", "relay"):
                client.send(b"AUTH PLAIN " + plain() + b"\r\n")
                await front.gate.asked.wait()
            if moment == "relay":
                front.gate.hold.set()
                assert await client.reply() == PASSED
                await front.gate.relaying.wait()
            front.sessions[0].cancel()
            assert await client.rest() == b""
        await asyncio.wait(front.sessions)
        assert front.sessions.pop().cancelled()
        assert len(front.gate.ended) == (0 if moment == "relay" else 1)


async def test_a_session_cancelled_just_as_it_passes_drops_both_sides(fronts: Fronts) -> None:
    async with fronts.front() as front:
        async with front.client() as client:
            await client.reply()
            await client.ask(b"EHLO x")
            session = front.sessions[0]
            front.gate.before_answer = lambda: asyncio.get_running_loop().call_soon(session.cancel)
            client.send(b"AUTH PLAIN " + plain() + b"\r\n")
            assert await client.rest() in (PASSED, b"")
        await asyncio.wait(front.sessions)
        assert front.sessions.pop().cancelled()
        assert [leg.aborted for leg in front.gate.legs] in ([True], [])
        assert len(front.gate.ended) == 1


async def test_a_crash_of_the_session_is_no_login(fronts: Fronts, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ScriptedGate):
        async def login(self, attempt: object, helo: str) -> StoreLeg:
            raise ValueError(f"it would quote {attempt} and hunter2")

    gate = Broken(fronts.store)
    async with fronts.front(gate=gate) as front, front.client() as client:
        await client.reply()
        await client.ask(b"EHLO x")
        client.send(b"AUTH PLAIN " + plain() + b"\r\n")
        assert await client.rest() == b"421 4.3.0 Internal error, closing\r\n"
    assert gate.ended == ["a fault of ours"]
    (record,) = caplog.records
    assert record.name == "mailguard.front"
    assert record.__dict__["error"] == "ValueError"
    assert "hunter2" not in str(record.__dict__)
    assert record.exc_info is None


async def test_a_message_of_20_mb_passes_at_constant_memory(fronts: Fronts) -> None:
    line = b"x" * 998 + b"\r\n"
    async with ByteStore().running() as store:
        gate = ScriptedGate(store)
        gate.hold.set()
        async with fronts.front(gate=gate) as front:
            async with front.client() as client:
                await client.login()
                tracemalloc.start()
                try:
                    for _ in range(20_000):
                        client.send(line)
                        await client.stream.drain()
                    client.send(b".\r\n")
                    assert await client.reply() == b"250 20000003 octets\r\n"
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
                assert peak < 3_000_000
            await front.settled()


async def test_every_byte_behind_auth_reaches_the_store_unchanged(fronts: Fronts) -> None:
    said = (
        b"MAIL FROM:<ann@example.org> RET=HDRS ENVID=a+3Db AUTH=<>\r\nBDAT 5 LAST\r\n\n.\n\r\x00\xff"
        + b"." * 3
        + b"\r\n.\r\n"
    )
    async with ByteStore().running() as store:
        gate = ScriptedGate(store)
        gate.hold.set()
        async with fronts.front(gate=gate) as front, front.client() as client:
            await client.reply()
            await client.ask(b"EHLO x")
            client.send(b"AUTH PLAIN " + plain() + b"\r\n" + said)
            assert await client.reply() == PASSED
            assert await client.reply() == b"250 %d octets\r\n" % len(said)
            assert store.taken == said


async def test_a_client_lost_between_235_and_relay_ends_the_relay(fronts: Fronts) -> None:
    class Slow(ScriptedGate):
        async def relay(self, client: asyncio.Transport, leftover: bytes, leg: object) -> None:
            while not client.is_closing():
                client.write(b"220 are you there\r\n")
                await asyncio.sleep(0)
            assert isinstance(leg, StoreLeg)
            transport, first = leg.detach()
            await Relay(client, transport, to_store=leftover, to_client=first).run()
            self.relays += 1

    gate = Slow(fronts.store)
    gate.hold.set()
    async with fronts.front(gate=gate) as front:
        async with front.client() as client:
            await client.login()
            client.reset()
        await front.settled()
        assert gate.relays == 1
