"""Every mode of the policy at the doors of a worker, and what a change of it ends."""

import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import pytest

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.auth.roles import Role
from mailguard.store.crowds import CROWD
from tests.app.conftest import Start
from tests.app.test_worker import FAILED, alive
from tests.store.words import StoppedClock
from tests.support.hostile_store import ImapStore
from tests.support.worker import ANN, OPERATOR, PASSWORD, SEED, Client, Running, eventually

CHIEF, OTHER = AccountName("chief@example.org"), AccountName("other@example.org")
TRUST = 'trusted_networks = [{ network = "127.0.0.1/32", until = 2999-12-31 }]\n'
PEOPLE = [AccountName(f"p{number}@example.org") for number in range(CROWD)]
USERS: dict[str, str] = dict.fromkeys((ANN, CHIEF, OTHER, *PEOPLE), PASSWORD)


def before(start: Start, policy: str) -> AbstractAsyncContextManager[Running]:
    return start(imap=ImapStore(users=USERS), more=f"[policy]\n{policy}\n")


async def in_(running: Running, password: str, name: AccountName = ANN) -> tuple[Client, bytes]:
    client = await running.client()
    return client, await client.log_in(password, name=name)


async def granted(running: Running) -> list[AuditRow]:
    return [e.row for e in await running.records.audit.list() if e.row.event is Event.LOGIN_GRANTED]


async def letters(running: Running) -> list[str]:
    rows = await running.records._database.read(
        lambda connection: connection.exec_driver_sql("SELECT kind, facts FROM notices").all()
    )
    return [row.facts for row in rows if row.kind == "factor-wanted"]


def rewritten(running: Running, old: str, new: str) -> None:
    file = running.settings.file
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    running.worker._reload()


@pytest.mark.parametrize(
    ("policy", "answer", "marked", "told"),
    [
        pytest.param('two_factor = "optional"', b"OK", "", 0, id="optional"),
        pytest.param('two_factor = "observe"', b"OK", "would-be-refused", 0, id="observe"),
        pytest.param('two_factor = "warn"', b"OK", "warned", 1, id="warn"),
        pytest.param('two_factor = "enforce"\nenforce_from = 2999-01-01', b"OK", "warned", 1, id="not yet"),
        pytest.param('two_factor = "enforce"\nenforce_from = 2020-01-01', FAILED, None, 0, id="since long"),
        pytest.param('two_factor = "enforce"', FAILED, None, 0, id="enforce"),
        pytest.param(f'two_factor = "enforce"\n{TRUST}', b"OK", "trusted-network", 0, id="trusted"),
        pytest.param(f'two_factor = "enforce"\n{TRUST.replace("2999", "2020")}', FAILED, None, 0, id="trusted no more"),
        pytest.param(
            f'two_factor = "enforce"\n{TRUST.replace("127.0.0.1", "127.0.0.2")}', FAILED, None, 0, id="elsewhere"
        ),
    ],
)
async def test_what_becomes_of_a_bare_password(
    start: Start, policy: str, answer: bytes, marked: str | None, told: int
) -> None:
    async with before(start, policy) as running:
        for _ in range(2):
            client, said = await in_(running, PASSWORD)
            assert said.startswith(b"a " + answer)
            client.close()
        rows = await granted(running)
        assert [row.reason for row in rows] == ([marked, marked] if marked is not None else [])
        facts = await letters(running)
        assert len(facts) == told, "one a week"
        if told:
            assert ("from 2999-01-01 on" if "enforce_from" in policy else "once two-factor is enforced") in facts[0]
        if marked is None:
            assert (await running.reasons())[0] == "second-factor-required"


@pytest.mark.parametrize("policy", ['two_factor = "enforce"\nenforce_from = 2999-01-01', TRUST])
async def test_administrators_are_apart_from_dates_and_trusted_networks(start: Start, policy: str) -> None:
    async with before(start, policy) as running:
        await running.records.accounts.add(CHIEF, actor=OPERATOR, role=Role.OWNER)
        client, said = await in_(running, PASSWORD, name=CHIEF)
        assert said.startswith(b"a " + FAILED)
        client.close()


async def test_after_a_reset_no_network_is_trusted(start: Start) -> None:
    async with before(start, TRUST) as running:
        await running.enrol()
        await running.records.devices.reset(ANN, actor=OPERATOR)
        client, said = await in_(running, PASSWORD)
        assert said.startswith(b"a " + FAILED)
        client.close()


async def test_a_reload_ends_what_is_not_allowed_any_more_and_nothing_else(start: Start) -> None:
    async with before(start, 'two_factor = "observe"\n') as running:
        await running.enrol()
        bare, _ = await in_(running, PASSWORD, name=OTHER)
        coded, _ = await in_(running, PASSWORD + running.code())
        _, secret = await running.app_password(MailProtocol.IMAP, sealed=PASSWORD)
        phone, said = await in_(running, secret)
        assert said.startswith(b"a OK")
        rewritten(running, 'two_factor = "observe"', 'two_factor = "enforce"')
        assert await bare.rest() == b""
        assert await alive(coded)
        rewritten(running, "[policy]", "[policy]\ncodes_in_mail_clients = false")
        assert await coded.rest() == b""
        assert await alive(phone)
        phone.close()

        async def told() -> list[str]:
            rows = [e.row for e in await running.records.audit.list() if e.row.event is Event.SESSION_ENDED]
            return [row.reason for row in rows if row.reason == "policy"]

        assert len(await eventually(told)) >= 1


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("enforce_from = {tomorrow}", id="it is enforced from today on"),
        pytest.param('trusted_networks = [{{ network = "127.0.0.1/32", until = {today} }}]', id="trust is over"),
    ],
)
async def test_a_day_that_the_policy_names_comes_by_itself(start: Start, policy: str) -> None:
    wall = StoppedClock(time.time())
    today = datetime.fromtimestamp(wall.at, UTC).date()
    tomorrow = today + timedelta(days=1)
    midnight = datetime.combine(tomorrow, datetime.min.time(), UTC).timestamp()
    more = f'[policy]\ntwo_factor = "enforce"\n{policy.format(today=today, tomorrow=tomorrow)}\n'
    async with start(imap=ImapStore(users=USERS), more=more, wall=wall) as running:
        _, secret = await running.app_password(MailProtocol.IMAP, sealed=PASSWORD)
        phone, said = await in_(running, secret)
        assert said.startswith(b"a OK")
        wall.at = midnight - 1
        bare, said = await in_(running, PASSWORD)
        assert said.startswith(b"a OK")
        wall.at = midnight
        assert await bare.rest() == b""
        again, said = await in_(running, PASSWORD)
        assert said.startswith(b"a " + FAILED)
        assert await alive(phone)
        for client in (phone, again):
            client.close()


async def test_a_shorter_grant_limit_ends_grants_that_are_older(start: Start) -> None:
    async with before(start, 'grant_limit = "12h"') as running:
        await running.enrol()
        client, _ = await in_(running, PASSWORD + running.code())
        rewritten(running, 'grant_limit = "12h"', 'grant_limit = "0"')
        assert await client.rest() == b""
        assert await running.records.grants.list() == ()


async def test_a_bare_session_ends_once_there_is_a_second_factor_or_another_standing(start: Start) -> None:
    async with before(start, 'two_factor = "optional"') as running:
        bare, _ = await in_(running, PASSWORD)
        device = await running.records.devices.enrol(ANN, "phone", SEED, actor=OPERATOR)
        assert await alive(bare)
        await running.records.devices.confirm(device.id, 1, actor=OPERATOR)
        assert await bare.rest() == b""
        other, _ = await in_(running, PASSWORD, name=OTHER)
        await running.records.accounts.change(OTHER, actor=OPERATOR, role=Role.NONE)
        assert await alive(other), "nothing has changed"
        await running.records.accounts.change(OTHER, actor=OPERATOR, role=Role.OWNER)
        assert await other.rest() == b""


@pytest.mark.parametrize("shared", ["", 'shared_networks = ["127.0.0.0/8"]\n'])
async def test_one_private_address_for_everybody_carries_no_grant_and_no_trust(start: Start, shared: str) -> None:
    policy = f"{shared}[policy.group.strict]\ntwo_factor = 'enforce'\n{TRUST}"
    async with before(start, policy) as running:
        await running.enrol()
        await running.records.accounts.add(OTHER, actor=OPERATOR, group="strict")
        trusted, said = await in_(running, PASSWORD, name=OTHER)
        assert said.startswith(b"a OK")
        trusted.close()
        for name in PEOPLE[: CROWD - 1]:
            client, said = await in_(running, PASSWORD, name=name)
            assert said.startswith(b"a OK")
            client.close()
        assert [(c.address, c.accounts) for c in await running.records.crowds.list()] == [("127.0.0.1", CROWD)]
        string = PASSWORD + running.code()
        first, said = await in_(running, string)
        assert said.startswith(b"a OK"), "a code is good anywhere, once"
        second, said = await in_(running, string)
        assert said.startswith(b"a OK" if shared else b"a " + FAILED)
        third, said = await in_(running, PASSWORD, name=OTHER)
        assert said.startswith(b"a OK" if shared else b"a " + FAILED)
        away = await running.client(source="127.0.0.2")
        assert (await away.log_in(PASSWORD, name=PEOPLE[-1])).startswith(b"a OK"), "another address is another place"
        for client in (first, second, third, away):
            client.close()
