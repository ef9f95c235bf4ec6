"""Acts pass the gate at the moment of the change, and what it refused is recorded."""

import asyncio
from dataclasses import replace

import pytest

from mailguard.admin import accounts, factors, sessions
from mailguard.admin.bureau import NotAllowed
from mailguard.admin.gate import Denial
from mailguard.auth.events import Event
from mailguard.auth.roles import EVERYTHING, Role, RoleLimit
from mailguard.auth.standing import FRESH_SECONDS, Standing
from mailguard.store import ChangeRefused
from mailguard.store.errors import FreshNeeded
from tests.admin.conftest import AWAY, CHIEF, FRONT, HOST, Scene
from tests.store.words import ANN, BOB, OPERATOR, phone, sql


async def test_an_administrator_acts_in_their_own_name(scene: Scene) -> None:
    chief = await scene.administrator(CHIEF)
    await scene.account(ANN)
    await accounts.suspend(scene.bureau, chief, ANN)
    found = await scene.store.accounts.get(ANN)
    assert found is not None
    assert found.suspended
    assert (await scene.recorded())[-1] == (Event.ACCOUNT_SUSPENDED, ANN, f"administrator:{CHIEF}", "")


@pytest.mark.parametrize("standing", set(Standing) - {Standing.FULL})
async def test_nobody_administers_without_a_factor(scene: Scene, standing: Standing) -> None:
    await scene.account(CHIEF, Role.OWNER)
    with pytest.raises(ChangeRefused, match="second factor"):
        await scene.bureau.signed_in(await scene.signed(CHIEF, standing))


async def test_whoever_has_no_role_is_no_administrator(scene: Scene) -> None:
    await scene.account(ANN)
    with pytest.raises(ChangeRefused, match="no administrator"):
        await scene.bureau.signed_in(await scene.signed(ANN))


@pytest.mark.parametrize("meanwhile", ["demoted", "limited", "suspended", "removed", "reset", "altered"])
async def test_an_administrator_of_a_second_ago_acts_no_more(scene: Scene, meanwhile: str) -> None:
    chief, records = await scene.administrator(CHIEF), scene.store.accounts
    await scene.account(AWAY)
    match meanwhile:
        case "demoted":
            await records.change(CHIEF, actor=OPERATOR, role=Role.NONE)
        case "limited":
            await records.change(CHIEF, actor=OPERATOR, role_limit=RoleLimit.parse("domain:example.org"))
        case "suspended":
            await records.suspend(CHIEF, actor=OPERATOR)
        case "removed":
            await records.remove(CHIEF, actor=OPERATOR)
            await scene.account(CHIEF, Role.OWNER)
        case "reset":
            await scene.store.devices.reset(CHIEF, actor=OPERATOR)
        case _:
            sql(scene.store._path, "UPDATE accounts SET role_limit = 'group:x' WHERE name = ?", CHIEF)
    with pytest.raises(ChangeRefused):
        await accounts.suspend(scene.bureau, chief, AWAY)
    with pytest.raises(ChangeRefused):
        await accounts.get(scene.bureau, chief, AWAY)
    found = await scene.store.accounts.get(AWAY)
    assert found is not None
    assert not found.suspended


async def test_a_bypass_that_has_ended_carries_nobody_on(scene: Scene) -> None:
    await scene.account(CHIEF, Role.OWNER)
    signed = replace(await scene.signed(CHIEF), until=scene.clock.at + 60)
    chief = await scene.bureau.signed_in(signed)
    scene.clock.at += 60
    with pytest.raises(ChangeRefused, match="sign in again"):
        await accounts.unlock(scene.bureau, chief, ANN)


async def test_an_account_that_was_given_a_role_meanwhile_is_out_of_a_helpdesk_s_hands(scene: Scene) -> None:
    helper = await scene.administrator(HOST, Role.HELPDESK)
    await scene.account(ANN)
    await sessions.end_of_account(scene.bureau, helper, ANN)
    await scene.store.accounts.change(ANN, actor=OPERATOR, role=Role.AUDITOR)
    with pytest.raises(NotAllowed) as refused:
        await sessions.end_of_account(scene.bureau, helper, ANN)
    assert refused.value.why is Denial.ADMINISTRATOR


async def test_two_owners_who_demote_each_other_leave_one(scene: Scene) -> None:
    chief, host = await scene.administrator(CHIEF), await scene.administrator(HOST)
    done = await asyncio.gather(
        accounts.change(scene.bureau, chief, HOST, role=Role.NONE),
        accounts.change(scene.bureau, host, CHIEF, role=Role.NONE),
        return_exceptions=True,
    )
    assert sum(isinstance(each, ChangeRefused) for each in done) == 1
    owners = [each.name for each in await scene.store.accounts.list() if each.role is Role.OWNER]
    assert len(owners) == 1


async def test_the_last_owner_is_one_who_gets_in(scene: Scene) -> None:
    """Another one who is suspended, or who owns a part, does not count."""
    chief = await scene.administrator(CHIEF)
    await scene.account(HOST, Role.OWNER)
    await scene.account(BOB, Role.OWNER, "group:staff")
    await scene.store.accounts.suspend(HOST, actor=OPERATOR)
    with pytest.raises(NotAllowed, match="last owner"):
        await accounts.change(scene.bureau, chief, CHIEF, role=Role.AUDITOR)
    await scene.store.accounts.resume(HOST, actor=OPERATOR)
    assert (await accounts.change(scene.bureau, chief, CHIEF, role=Role.AUDITOR)).role is Role.AUDITOR
    await accounts.remove(scene.bureau, scene.operator, HOST)


async def test_what_was_refused_is_recorded_with_who_asked(scene: Scene) -> None:
    helper = await scene.administrator(HOST, Role.HELPDESK)
    await scene.account(ANN)
    await phone(scene.store)
    with pytest.raises(NotAllowed, match="ask an owner"):
        await factors.reset(scene.bureau, helper, ANN)
    assert (await scene.recorded())[-1] == (Event.ACT_REFUSED, ANN, f"administrator:{HOST}", "role")
    assert len(await scene.store.devices.list(ANN)) == 1


async def test_dangerous_acts_take_a_sign_in_of_the_last_minutes(scene: Scene) -> None:
    chief = await scene.administrator(CHIEF)
    await scene.account(ANN)
    scene.clock.at += FRESH_SECONDS - 1
    await factors.bypass(scene.bureau, chief, ANN, 3600.0)
    scene.clock.at += 1
    for act in (
        factors.bypass(scene.bureau, chief, ANN, 3600.0),
        factors.enrolment_code(scene.bureau, chief, ANN),
        factors.reset(scene.bureau, chief, ANN),
        accounts.change(scene.bureau, chief, ANN, role=Role.OWNER),
        accounts.add(scene.bureau, chief, BOB, role=Role.OWNER),
        accounts.remove(scene.bureau, chief, ANN),
    ):
        with pytest.raises(FreshNeeded):
            await act
    await accounts.suspend(scene.bureau, chief, ANN)
    await factors.reset(scene.bureau, scene.operator, ANN)


async def test_who_is_beyond_the_limit_cannot_be_told_from_nobody(scene: Scene) -> None:
    host = await scene.administrator(HOST, Role.OWNER, "group:staff")
    await scene.account(AWAY)
    told = []
    for name in (AWAY, BOB):
        for act in (accounts.get, accounts.suspend):
            with pytest.raises(NotAllowed) as refused:
                await act(scene.bureau, host, name)
            told.append(str(refused.value))
    assert len(set(told)) == 1


async def test_an_account_within_the_limit_that_is_not_there_is_said_to_be_missing(scene: Scene) -> None:
    host = await scene.administrator(HOST, Role.AUDITOR, "domain:example.org")
    with pytest.raises(ChangeRefused, match="there is no account"):
        await accounts.get(scene.bureau, host, ANN)
    await scene.account(FRONT)
    assert (await accounts.get(scene.bureau, host, FRONT)).role_limit == EVERYTHING
