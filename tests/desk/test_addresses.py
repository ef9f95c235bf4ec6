"""A person's own second addresses."""

import pytest

from mailguard.auth.standing import FRESH_SECONDS
from mailguard.desk import addresses
from mailguard.store import ChangeRefused, FreshNeeded
from tests.auth.test_authenticator import ANN, SEED
from tests.auth.test_signin import OPERATOR
from tests.desk.conftest import Office

ELSEWHERE = "ann@home.example"


async def test_it_is_added_at_any_age_of_a_sign_in_and_removed_by_a_fresh_one(office: Office) -> None:
    signed = await office.full()
    office.hands.at += FRESH_SECONDS
    assert (await addresses.add(office.desk, signed, f" {ELSEWHERE}\n")).address == ELSEWHERE
    with pytest.raises(FreshNeeded):
        await addresses.remove(office.desk, signed, ELSEWHERE)
    fresh = await office.signed(office.digits())
    await addresses.remove(office.desk, fresh, ELSEWHERE)
    assert await addresses.there(office.desk, fresh) == ()
    rows = [recorded.row for recorded in await office.store.audit.list(ANN)]
    assert {row.actor for row in rows if row.detail == ELSEWHERE} == {"owner"}


async def test_neither_a_bypass_nor_a_bare_password_changes_them(office: Office) -> None:
    await office.account()
    bare = await office.signed()
    await office.store.addresses.add(ANN, ELSEWHERE, actor=OPERATOR)
    await office.store.devices.enrol(ANN, "phone", SEED, actor=OPERATOR)
    bypass = await office.bypass()
    for signed in (bare, bypass):
        with pytest.raises(ChangeRefused):
            await addresses.add(office.desk, signed, "thief@evil.example")
        with pytest.raises(ChangeRefused):
            await addresses.remove(office.desk, signed, ELSEWHERE)


async def test_a_sign_in_that_has_ended_changes_none(office: Office) -> None:
    signed = await office.full()
    await office.store.devices.reset(ANN, actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="has ended"):
        await addresses.add(office.desk, signed, ELSEWHERE)
