"""One string, all day: how mail programs come with it, before real stores and at two workers."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from mailguard import keyring
from mailguard.auth import totp
from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from mailguard.store import macs
from mailguard.store.engine import sync_engine, transaction
from mailguard.store.grants import GrantRow
from mailguard.store.schema import accounts, grants
from mailguard.store.seal import Seal
from tests.e2e import clients
from tests.e2e.clients import Login
from tests.e2e.guard import ACTOR, DATABASE, KEYS, Guard, Person, serving
from tests.e2e.letters import as_sent, compose
from tests.e2e.programs import Program, answered, connected, entered, failed, granted, only, workers
from tests.e2e.stack import Stack
from tests.support.worker import eventually

IMAP, SUBMISSION = MailProtocol.IMAP, MailProtocol.SUBMISSION
V4, THIRD, V6 = "127.0.0.1", "127.0.0.2", "::1"
HOUR = 3600.0


@pytest.fixture(scope="module", params=["own", "master"])
def guard(request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """A guard that is reached over both families."""
    folder = tmp_path_factory.mktemp(f"grants-{request.param}")
    usual = {"throttle": {"failure_delay": "1s"}, "identity": {"questions": "4/30m"}}
    with serving(stack, folder, request.param, usual, host="[::]") as running:
        yield running


def let_pass(guard: Guard, account: str, seconds: float) -> None:
    """As if an account's grants had been opened, and last used, so much earlier."""
    folder: Path = guard.configuration.parent
    seal = Seal(keyring.load(folder / KEYS))
    engine = sync_engine(folder / DATABASE)

    of_account = select(accounts.c.id).where(accounts.c.name == account).scalar_subquery()

    def age(connection: Connection) -> None:
        theirs = select(grants).where(grants.c.ended_at.is_(None), grants.c.account_id == of_account)
        for row in connection.execute(theirs).mappings().all():
            earlier = {"opened_at": row["opened_at"] - seconds, "until": row["until"] - seconds}
            values = macs.changed(seal, grants, row, **earlier)
            aged = update(grants).where(grants.c.id == row["id"]).values(idle_since=row["idle_since"] - seconds)
            connection.execute(aged.values(**values))

    with engine.connect() as connection:
        transaction(connection, age)
    engine.dispose()


async def live(guard: Guard, login: Login) -> list[GrantRow]:
    async with guard.records() as records:
        return [row for row in await records.grants.list() if row.account == login.name]


async def reasons(guard: Guard, login: Login) -> list[tuple[str, str]]:
    """Of every refusal of an account: reason and credential."""
    async with guard.records() as records:
        rows = [entry.row for entry in await records.audit.list(AccountName(login.name))]
    return [(row.reason, row.credential) for row in rows if row.event is Event.LOGIN_REFUSED]


@asynccontextmanager
async def household(*programs: Program) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for program in programs:
            program.close()


@pytest.mark.parametrize(("first", "second"), [(V4, V6), (V6, V4)])
async def test_imap_over_one_family_and_submission_over_the_other_with_one_string(
    guard: Guard, first: str, second: str
) -> None:
    login = (await guard.enrolled()).login()
    reader = await entered(guard, IMAP, login, first)
    let_pass(guard, login.name, 100)
    sender = await entered(guard, SUBMISSION, login, second)
    async with household(reader, sender):
        (row,) = await live(guard, login)
        assert {row.grant.network, row.grant.second} == {"127.0.0.1/32", "::/64"}
        assert failed(await answered(guard, IMAP, login, THIRD))
        assert await reasons(guard, login) == [("replay", row.grant.id)]
        let_pass(guard, login.name, 1000)
        for source in (first, second):
            assert granted(await answered(guard, SUBMISSION, login, source))
        assert await reader.alive()
        assert await sender.alive()


async def test_after_two_minutes_the_other_family_is_elsewhere(guard: Guard) -> None:
    login = (await guard.enrolled()).login()
    reader = await entered(guard, IMAP, login, V4)
    async with household(reader):
        (row,) = await live(guard, login)
        let_pass(guard, login.name, 120)
        for protocol in (SUBMISSION, IMAP):
            assert failed(await answered(guard, protocol, login, V6))
        assert await reasons(guard, login) == [("replay", row.grant.id)] * 2
        assert granted(await answered(guard, SUBMISSION, login, V4))
        assert await reader.alive()


async def test_thunderbirds_day(guard: Guard) -> None:
    """Up to five connections, some hours later, by three mechanisms; the network drops; all come back; then sleep."""
    login = (await guard.enrolled()).login()
    ways = ["plain", "login", "command", "plain", "login"]
    first = await _all_in(guard, ways[:2], login)
    let_pass(guard, login.name, 3 * HOUR)
    later = await _all_in(guard, ways[2:], login)
    sender = await entered(guard, SUBMISSION, login)
    old = [*first, *later, sender]
    async with household(*old):
        assert all([await program.alive() for program in old])
        # The network goes without a FIN: for us all six are open still.
        let_pass(guard, login.name, 3 * HOUR)
        back = await _all_in(guard, ways, login)
        async with household(*back):
            assert all([await program.alive() for program in back])
            (row,) = await live(guard, login)
            assert row.sessions == 8, "as many as policy.grant_connections; those silent longest made room"
            let_pass(guard, login.name, 7 * HOUR)
            ended = time.time()
            assert max([await program.end() for program in back]) < ended + 2
    assert await live(guard, login) == []
    stale = await connected(guard, IMAP)
    async with household(stale):
        for way in ("plain", "login", "command"):
            assert failed(await _offer(stale, way, login))
    # Its step lies in the past: a code that is wrong by now, or was used, if no half minute has gone by in fact.
    (first_reason, _), *rest = await reasons(guard, login)
    assert first_reason in ("code-wrong", "code-reused")
    assert [reason for reason, _ in rest] == ["wrong-repeated"] * 2


async def test_without_an_open_session_it_ends_after_an_hour(guard: Guard) -> None:
    login = (await guard.enrolled()).login()
    program = await entered(guard, IMAP, login)
    let_pass(guard, login.name, 2 * HOUR)
    assert granted(await answered(guard, IMAP, login)), "one is open"
    program.close()

    async def closed() -> bool:
        return [row.sessions for row in await live(guard, login)] == [0]

    await eventually(closed)
    let_pass(guard, login.name, HOUR - 60)
    assert granted(await answered(guard, IMAP, login))
    await eventually(closed)
    let_pass(guard, login.name, HOUR)
    assert failed(await answered(guard, IMAP, login))


async def test_an_operator_sees_a_grant_and_ends_it(guard: Guard) -> None:
    login = (await guard.enrolled()).login()
    programs = [await entered(guard, protocol, login) for protocol in (IMAP, SUBMISSION)]
    async with household(*programs):
        (row,) = json.loads(guard.cli("grant", "list", login.name, "--json"))
        assert (row["account"], row["networks"], row["sessions"]) == (login.name, ["127.0.0.1/32"], 2)
        waiting = [asyncio.ensure_future(program.end()) for program in programs]  # noqa: TID251
        await asyncio.to_thread(guard.cli, "grant", "revoke", row["id"])
        done = time.time()
        assert max(await asyncio.gather(*waiting)) < done + 1
        assert failed(await answered(guard, IMAP, login))
        assert json.loads(guard.cli("grant", "list", login.name, "--json")) == []


async def test_a_changed_password_ends_a_grant_where_the_store_is_asked(guard: Guard) -> None:
    person = await guard.enrolled()
    login = person.login()
    program = await entered(guard, IMAP, login)
    async with household(program):
        await asyncio.to_thread(guard.stack.changed, person.user)
        again = await answered(guard, IMAP, login)
        if "own" in guard.configuration.parent.name:
            assert failed(again)
            ended = time.time()
            assert await program.end() < ended + 1
            assert await live(guard, login) == []
            assert [reason for reason, _ in await reasons(guard, login)] == ["wrong-password"]
        else:  # as the documentation says
            assert granted(again)


@pytest.mark.parametrize(
    ("send", "read"),
    [
        pytest.param(clients.smtplib_send, clients.imaplib_read, id="smtplib-imaplib"),
        pytest.param(clients.curl_send, clients.curl_read, id="curl"),
        pytest.param(clients.msmtp_send, clients.mbsync_read, id="msmtp-mbsync"),
    ],
)
def test_real_programs_keep_one_string_until_the_password_changes(
    guard: Guard, send: clients.Sender, read: clients.Reader, tmp_path: Path
) -> None:
    person = guard.enrol()
    login = person.login()
    letter = compose(login.name, login.name)
    send(guard.submission(), login, letter, tmp_path)
    guard.stack.delivered(login.name)
    assert as_sent(read(guard.imap("starttls"), login, letter, _folder(tmp_path, "first"))) == letter.content
    assert as_sent(read(guard.imap(), login, letter, _folder(tmp_path, "then"))) == letter.content

    changed = replace(person, user=guard.stack.changed(person.user))
    if "own" in guard.configuration.parent.name:
        with pytest.raises(clients.Refused):
            send(guard.submission(), login, letter, tmp_path)
        with pytest.raises(clients.Refused):
            read(guard.imap(), login, letter, _folder(tmp_path, "changed"))
        assert asyncio.run(live(guard, login)) == []
    else:  # as the documentation says, until grant_limit
        assert as_sent(read(guard.imap(), login, letter, _folder(tmp_path, "changed"))) == letter.content

    # By an authenticator none of whose codes was used: the next code of the first one takes half a minute to come.
    spare = asyncio.run(_another(guard, changed)).login()
    assert as_sent(read(guard.imap(), spare, letter, _folder(tmp_path, "last"))) == letter.content
    with pytest.raises(clients.Refused):
        send(guard.submission(), replace(spare, password=spare.password[1:]), letter, tmp_path)
    send(guard.submission(), spare, letter, tmp_path)


def _folder(within: Path, name: str) -> Path:
    """A home of its own for a program that keeps what it fetched."""
    folder = within / name
    folder.mkdir()
    return folder


async def _another(guard: Guard, person: Person) -> Person:
    """The same person with a second authenticator in hand."""
    async with guard.records() as records:
        device = await records.devices.enrol(AccountName(person.user.name), "spare", totp.new_seed(), actor=ACTOR)
        await records.devices.confirm(device.id, 1, actor=ACTOR)
    return replace(person, seed=device.seed.reveal().decode(), device=device.id)


async def _all_in(guard: Guard, ways: list[str], login: Login) -> list[Program]:
    """Readers at the two workers by turns, that come in together, each by its mechanism."""
    programs = []
    for number, _ in enumerate(ways):
        with only(guard, workers(guard)[number % 2]):
            programs.append(await connected(guard, IMAP))
    offers = (_offer(program, way, login) for program, way in zip(programs, ways, strict=True))
    answers = await asyncio.gather(*offers)
    assert all(map(granted, answers)), answers
    return programs


async def _offer(program: Program, way: str, login: Login) -> bytes:
    match way:
        case "login":
            words = (base64.b64encode(word.encode()) for word in (login.name, login.password))
            program.say(b"a AUTHENTICATE LOGIN\r\n" + b"".join(word + b"\r\n" for word in words))
        case "command":
            program.say(b'a LOGIN "%b" "%b"\r\n' % (login.name.encode(), login.password.encode()))
        case _:
            program.offer(login.name, login.password)
    return await program.answer()
