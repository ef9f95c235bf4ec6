"""Logins where our own records check users' own passwords."""

import asyncio

from mailguard.auth.accounts import AccountName
from mailguard.identity.local import hashed
from mailguard.secret import Secret
from tests.app.conftest import Start
from tests.support.hostile_store import ImapStore
from tests.support.worker import ANN, MASTER, MASTER_SECRET, OPERATOR, Running, eventually

SOURCE = 'source = "local"\nquestions = "1000/30m"\n'
FIRST, SECOND = "correct horse battery staple", "a lamp under seven stairs"


async def keep(running: Running, password: str) -> None:
    kept = await asyncio.to_thread(hashed, Secret(password.encode()))
    await running.records.passwords.set(ANN, kept, actor=OPERATOR, needs_factor=False)


async def answer(running: Running, password: str, name: str = ANN) -> bytes:
    client = await running.client()
    line = await client.log_in(password, name=name)
    client.close()
    return line


async def test_a_kept_password_lets_in_and_its_change_cuts_off(start: Start) -> None:
    store = ImapStore(users={ANN: "never asked"}, masters={MASTER: MASTER_SECRET})
    async with start(imap=store, login="master", source=SOURCE) as running:
        await running.account()
        assert b"NO [AUTHENTICATIONFAILED]" in await answer(running, FIRST), "none is kept yet"
        await keep(running, FIRST)
        assert b"a OK" in await answer(running, FIRST), "the mark of the wrong one is gone"
        assert b"NO [AUTHENTICATIONFAILED]" in await answer(running, f"{FIRST}x")
        assert b"NO [AUTHENTICATIONFAILED]" in await answer(running, FIRST, "nobody@example.org")
        app_id, secret = await running.app_password()
        desk, phone = await running.client(), await running.client()
        assert b"a OK" in await desk.log_in(FIRST)
        assert b"a OK" in await phone.log_in(secret)
        await keep(running, SECOND)
        await desk.rest()  # cut off

        async def left() -> bool:
            return [each.credential for each in await running.records.sessions.list(ANN)] == [app_id]

        await eventually(left)
        phone.close()
        assert b"NO [AUTHENTICATIONFAILED]" in await answer(running, FIRST)
        assert b"a OK" in await answer(running, SECOND)
        assert await running.records.accounts.get(AccountName("nobody@example.org")) is None


async def test_a_short_password_opens_nothing_by_itself_once_its_factor_is_gone(start: Start) -> None:
    store = ImapStore(users={ANN: "never asked"}, masters={MASTER: MASTER_SECRET})
    async with start(imap=store, login="master", source=SOURCE) as running:
        await running.enrol()
        await keep(running, "acht8888")
        assert b"a OK" in await answer(running, "acht8888" + running.code())
        (device,) = await running.records.devices.list(ANN)
        await running.records.devices.remove(ANN, device.id, actor=OPERATOR)
        assert b"NO [AUTHENTICATIONFAILED]" in await answer(running, "acht8888")
        assert (await running.reasons())[-1] == "second-factor-required"
        await keep(running, FIRST)
        assert b"a OK" in await answer(running, FIRST)
