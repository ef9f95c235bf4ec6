"""A person's own passkeys, and the promise that a phished password reaches none of them."""

import os

import pytest

from mailguard.auth.attempt import Factor, Reason
from mailguard.auth.events import Event
from mailguard.auth.passkeys import NewPasskey
from mailguard.auth.policy import Policy
from mailguard.auth.standing import FRESH_SECONDS, Standing
from mailguard.config.choices import FirstEnrolment
from mailguard.desk import passkeys, recovery_codes
from mailguard.store import ChangeRefused, FreshNeeded
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.auth.test_signin import ENFORCE, OPERATOR
from tests.desk.conftest import Office


def made() -> NewPasskey:
    return NewPasskey(os.urandom(16), b"COSE", 0, os.urandom(32))


async def test_the_first_factor_may_be_a_passkey(office: Office) -> None:
    signed = await office.signed()
    assert signed.standing is Standing.ENROLS
    assert await passkeys.before_adding(office.desk, signed) == ()
    now = await passkeys.add(office.desk, signed, "laptop", made())
    (kept,) = await passkeys.there(office.desk, now)
    assert (now.standing, now.factor, now.device) == (Standing.FULL, Factor.PASSKEY, kept.id)
    assert await office.by_mail(PASSWORD) is Reason.PASSKEY_ONLY
    assert len(await recovery_codes.issue(office.desk, now)) == 10
    (row,) = [each.row for each in await office.store.audit.list() if each.row.event is Event.PASSKEY_ADDED]
    assert (row.actor, row.credential, row.detail) == ("owner", kept.id, "laptop")


@pytest.mark.parametrize("policy", [ENFORCE, Policy(first_enrolment=FirstEnrolment.CLAIM)])
async def test_a_phished_password_alone_binds_none(office: Office, policy: Policy) -> None:
    await office.account()
    thief = await office.signed()  # a moment before the policy came
    office.policy = policy
    assert await office.outcome() is Reason.SECOND_FACTOR_REQUIRED
    for act in (
        lambda: passkeys.there(office.desk, thief),
        lambda: passkeys.before_adding(office.desk, thief),
        lambda: passkeys.add(office.desk, thief, "thief's", made()),
        lambda: passkeys.rename(office.desk, thief, "any", "mine"),
        lambda: passkeys.remove(office.desk, thief, "any"),
    ):
        with pytest.raises(ChangeRefused, match=r"enrolment code|set up an authenticator first"):
            await act()
    assert await office.store.passkeys.list(ANN) == ()


async def test_whoever_came_to_bind_the_first_binds_no_second(office: Office) -> None:
    thief, owner = await office.signed(), await office.signed()
    await passkeys.add(office.desk, owner, "hers", made())
    with pytest.raises(ChangeRefused, match="by now"):
        await passkeys.add(office.desk, thief, "thief's", made())
    assert [each.name for each in await office.store.passkeys.list(ANN)] == ["hers"]


async def test_with_a_factor_passkeys_are_added_named_and_removed(office: Office) -> None:
    signed = await office.full()
    assert await passkeys.add(office.desk, signed, "laptop", made()) == signed
    (kept,) = await passkeys.there(office.desk, signed)
    await passkeys.rename(office.desk, signed, kept.id, "Ann's laptop")
    assert [each.name for each in await passkeys.there(office.desk, signed)] == ["Ann's laptop"]
    await passkeys.remove(office.desk, signed, kept.id)
    assert await passkeys.there(office.desk, signed) == ()


async def test_a_browser_that_was_left_open_changes_none(office: Office) -> None:
    signed = await office.full()
    await passkeys.add(office.desk, signed, "laptop", made())
    (kept,) = await passkeys.there(office.desk, signed)
    office.hands.at += FRESH_SECONDS
    for act in (
        lambda: passkeys.before_adding(office.desk, signed),
        lambda: passkeys.add(office.desk, signed, "another", made()),
        lambda: passkeys.remove(office.desk, signed, kept.id),
    ):
        with pytest.raises(FreshNeeded):
            await act()
    await passkeys.rename(office.desk, signed, kept.id, "harmless")
    assert [each.name for each in await passkeys.there(office.desk, signed)] == ["harmless"]


async def test_the_last_factor_stays_where_there_must_be_one(office: Office) -> None:
    now = await passkeys.add(office.desk, await office.signed(), "laptop", made())
    office.policy = ENFORCE
    with pytest.raises(ChangeRefused, match="last authenticator or passkey"):
        await passkeys.remove(office.desk, now, now.device)
    office.policy = Policy()
    await passkeys.remove(office.desk, now, now.device)
    with pytest.raises(ChangeRefused, match="has ended"):
        await passkeys.add(office.desk, now, "another", made())


async def test_a_bypass_binds_and_unbinds_none(office: Office) -> None:
    await office.enrol()
    kept = await office.store.passkeys.add(ANN, "laptop", made(), actor=OPERATOR)
    signed = await office.bypass()
    assert await passkeys.there(office.desk, signed) == (kept,)
    for act in (
        lambda: passkeys.add(office.desk, signed, "another", made()),
        lambda: passkeys.rename(office.desk, signed, kept.id, "mine"),
        lambda: passkeys.remove(office.desk, signed, kept.id),
    ):
        with pytest.raises(ChangeRefused, match="bypass"):
            await act()


async def test_what_ends_an_account_ends_this_too(office: Office) -> None:
    signed = await office.full()
    await office.store.devices.reset(ANN, actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="has ended"):
        await passkeys.add(office.desk, signed, "laptop", made())
