"""What a guesser hears at the doors, try by try: the same of a right password as of a wrong one (promise 5)."""

import base64

import pytest

from mailguard.auth.accounts import AccountName
from mailguard.auth.ports import Counts
from mailguard.auth.throttle import ALLOWANCES, CODE_LIMIT
from tests.app.conftest import Start
from tests.support.hostile_store import ImapStore, SubmissionStore
from tests.support.worker import ANN, OPERATOR, PASSWORD, SEED, Running, plain

BOB, NOBODY = AccountName("bob@example.org"), AccountName("nobody@example.org")
TRIES = 20
FREE = ALLOWANCES[Counts.PAIR].free


async def imap(at: Running, name: str, secret: str) -> bytes:
    client = await at.client("imap")
    client.say(b"a AUTHENTICATE PLAIN %b\r\nb LOGOUT\r\n" % plain(name, secret))
    return await client.rest()


async def submission(at: Running, name: str, secret: str) -> bytes:
    client = await at.client("submission")
    await client.line()
    client.say(b"EHLO client.example\r\n")
    heard = await client.until(b"250 ")
    heard += await client.line()
    client.say(b"AUTH PLAIN %b\r\nQUIT\r\n" % plain(name, secret))
    return heard + await client.rest()


async def enrol(at: Running, name: AccountName) -> None:
    await at.records.accounts.add(name, actor=OPERATOR)
    device = await at.records.devices.enrol(name, "phone", SEED, actor=OPERATOR)
    await at.records.devices.confirm(device.id, 1, actor=OPERATOR)


def wrong_codes() -> list[str]:
    """Of ann, with her own password; none is near what her authenticator shows."""
    shown = int(Running.code())
    return [f"{PASSWORD}{(shown + 500_000 + number) % 1_000_000:06}" for number in range(TRIES)]


@pytest.mark.parametrize("questions", ["1000/30m", "4/30m"])
@pytest.mark.parametrize("door", [imap, submission])
async def test_twenty_wrong_strings_are_answered_alike_try_by_try(start: Start, door: object, questions: str) -> None:
    assert callable(door)
    users: dict[str, str] = {ANN: PASSWORD, BOB: "another"}
    async with start(
        imap=ImapStore(users=users), submission=SubmissionStore(users=users), source=f'questions = "{questions}"\n'
    ) as at:
        await enrol(at, ANN)
        await enrol(at, BOB)
        heard = [
            [await door(at, name, secret) for secret in strings]
            for name, strings in (
                (ANN, wrong_codes()),
                (BOB, [f"wrong{number:06}" for number in range(TRIES)]),
                (NOBODY, [f"wrong{number:06}" for number in range(TRIES)]),
            )
        ]
        reasons = await at.reasons()
    assert heard[0] == heard[1] == heard[2]
    assert len(set(heard[0])) > 1, "the throttle shows, and at the same try"
    if questions == "1000/30m":
        assert reasons[:TRIES] == (
            ["code-wrong"] * CODE_LIMIT + ["codes-used-up"] * (FREE - CODE_LIMIT) + ["throttled"] * (TRIES - FREE)
        )
    assert base64.b64encode(PASSWORD.encode()) not in b"".join(heard[0])
