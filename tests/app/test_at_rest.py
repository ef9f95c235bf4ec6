"""What a session still holds once it is relayed: an organisation's clients lie idle for days."""

import gc
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from mailguard.secret import Secret
from tests.support.worker import ANN, PASSWORD, Client, Running, eventually, plain

pytestmark = pytest.mark.both_loops

OF_A_LOGIN = frozenset(
    {
        "mailguard.auth.attempt.LoginAttempt",
        "mailguard.auth.authenticator.Login",
        "mailguard.auth.ports.Facts",
        "mailguard.backends.imap.ImapWire",
        "mailguard.backends.imap_login.ImapLeg",
        "mailguard.backends.submission.SubmissionTalk",
        "mailguard.net.listener.Ticket",
        "mailguard.protocols.server.imap.ImapDialogue",
        "mailguard.proxy.line_front._ImapFront",
        "mailguard.proxy.smtp_front.SubmissionFront",
        "mailguard.proxy.smtp_lines.CommandReader",
    }
)


def of_a_login() -> Counter[str]:
    """What a login is made of, and the password that was typed."""
    names = (f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    found = Counter(name for name in names if name in OF_A_LOGIN)
    secrets = (each for each in gc.get_objects() if isinstance(each, Secret))
    found["password"] = sum(PASSWORD.encode() in each.reveal() for each in secrets)
    return +found


async def imap(running: Running) -> Client:
    client = await running.client()
    assert b"OK" in await client.log_in(PASSWORD)
    return client


async def submission(running: Running) -> Client:
    client = await running.client("submission")
    await client.line()
    client.say(b"EHLO x\r\n")
    await client.until(b"250 AUTH PLAIN LOGIN\r\n")
    client.say(b"AUTH PLAIN " + plain(ANN, PASSWORD) + b"\r\n")
    assert (await client.line()).startswith(b"235 ")
    return client


@pytest.mark.parametrize("log_in", [imap, submission])
async def test_an_idle_session_holds_nothing_of_its_login(
    own: Running, log_in: Callable[[Running], Awaitable[Client]]
) -> None:
    gc.collect()
    before = of_a_login()
    gc.disable()  # not found by it, but let go
    try:
        client = await log_in(own)
        assert len(own.worker.house.registry) == 1

        async def left() -> bool:
            return of_a_login() <= before

        await eventually(left)
    finally:
        gc.enable()
    client.close()
