"""A person's own authenticators, and the promise that a phished password reaches none of it."""

import asyncio
from dataclasses import replace

import pytest

from mailguard.auth.accounts import AccountName, CodeKind
from mailguard.auth.attempt import Factor, Reason
from mailguard.auth.events import Event
from mailguard.auth.policy import Policy
from mailguard.auth.standing import FRESH_SECONDS, Standing
from mailguard.config.choices import FirstEnrolment, TwoFactor
from mailguard.desk import app_passwords, authenticators, recovery_codes
from mailguard.secret import Secret
from mailguard.store import ChangeRefused, FreshNeeded
from tests.auth.test_authenticator import ANN, PASSWORD, SEED
from tests.auth.test_signin import ENFORCE, OPERATOR
from tests.desk.conftest import Office
from tests.desk.test_app_passwords import WISH

LINK = Secret(b"otpauth://totp/ann?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&digits=8")


async def test_the_first_authenticator_is_bound_and_the_person_may_go_on(office: Office) -> None:
    signed = await office.signed()
    assert signed.standing is Standing.ENROLS
    device, uri = await authenticators.enrol(office.desk, signed, "phone")
    assert uri.startswith("otpauth://totp/mail.example.org:ann")
    assert await office.by_mail(PASSWORD) is Factor.PASSWORD  # it counts for nothing yet
    with pytest.raises(ChangeRefused, match="does not fit"):
        await authenticators.confirm(office.desk, signed, device.id, "000000")
    code = office.shown_by(device.seed.reveal())
    now = await authenticators.confirm(office.desk, signed, device.id, f"{code[:3]} {code[3:]}")
    assert (now.standing, now.factor, now.device) == (Standing.FULL, Factor.CODE, device.id)
    assert await office.by_mail(PASSWORD) is Reason.CODE_MISSING
    assert len(await recovery_codes.issue(office.desk, now)) == 10
    rows = [recorded.row for recorded in await office.store.audit.list()]
    assert [row.actor for row in rows if row.event in (Event.TOTP_ENROLLED, Event.TOTP_CONFIRMED)] == ["owner"] * 2


@pytest.mark.parametrize("policy", [ENFORCE, Policy(first_enrolment=FirstEnrolment.CLAIM)])
async def test_a_phished_password_alone_reaches_nothing(office: Office, policy: Policy) -> None:
    """No factor, no code, no app password, and under enforce no mail: not by sign-in, not by desk, not by a client."""
    await office.account()
    thief = await office.signed()  # a moment before the policy came
    office.policy = policy
    assert await office.outcome() is Reason.SECOND_FACTOR_REQUIRED
    waiting = await office.store.devices.enrol(ANN, "ann's own", SEED, actor=OPERATOR)
    desk = office.desk
    for reach in (
        lambda: authenticators.enrol(desk, thief, "thief's"),
        lambda: authenticators.keep(desk, thief, "thief's", LINK),
        lambda: authenticators.confirm(desk, thief, waiting.id, office.digits()),
        lambda: authenticators.rename(desk, thief, waiting.id, "mine"),
        lambda: authenticators.remove(desk, thief, waiting.id),
        lambda: recovery_codes.issue(desk, thief),
        lambda: app_passwords.issue(desk, thief, WISH),
        lambda: app_passwords.redeem(desk, thief, Secret(b"a" * 28)),
    ):
        with pytest.raises(ChangeRefused, match=r"enrolment code|set up an authenticator first"):
            await reach()
    if policy.two_factor is TwoFactor.ENFORCE:
        assert await office.by_mail(PASSWORD) is Reason.SECOND_FACTOR_REQUIRED
    (device,) = await office.store.devices.list(ANN)
    assert device.confirmed_at is None
    assert await office.store.app_passwords.list(ANN) == ()
    # With the code that the administrator handed to its owner it goes on.
    owner = await office.signed(await office.code(CodeKind.ENROLMENT, may_enrol=True))
    now = await authenticators.confirm(desk, owner, waiting.id, office.digits())
    assert now.standing is Standing.FULL
    assert await office.by_mail(PASSWORD + office.digits(1)) in (Reason.CODE_WRONG, Factor.CODE)


async def test_policy_that_grew_stricter_since_the_sign_in_holds(office: Office) -> None:
    signed = await office.signed()
    office.policy = ENFORCE
    with pytest.raises(ChangeRefused, match="enrolment code"):
        await authenticators.enrol(office.desk, signed, "phone")


async def test_whoever_came_to_bind_the_first_binds_no_second(office: Office) -> None:
    """A thief who signed in with the bare password, a minute before its owner set the authenticator up."""
    thief, owner = await office.signed(), await office.signed()
    theirs, _ = await authenticators.enrol(office.desk, thief, "thief's")
    hers, _ = await authenticators.enrol(office.desk, owner, "hers")
    await authenticators.confirm(office.desk, owner, hers.id, office.shown_by(hers.seed.reveal()))
    with pytest.raises(ChangeRefused, match="by now"):
        await authenticators.confirm(office.desk, thief, theirs.id, office.shown_by(theirs.seed.reveal()))
    confirmed = [device.id for device in await office.store.devices.list(ANN) if device.confirmed_at is not None]
    assert confirmed == [hers.id]


async def test_with_a_factor_further_ones_are_added_named_and_removed(office: Office) -> None:
    signed = await office.full()
    made = await authenticators.keep(office.desk, signed, "token", LINK)
    assert (made.digits, made.name) == (8, "token")
    with pytest.raises(ChangeRefused, match="begins with otpauth"):
        await authenticators.keep(office.desk, signed, "token", Secret(b"nonsense"))
    second, _ = await authenticators.enrol(office.desk, signed, "tablet")
    code = office.shown_by(second.seed.reveal())
    assert await authenticators.confirm(office.desk, signed, second.id, code) == signed
    await authenticators.rename(office.desk, signed, second.id, "Ann's tablet")
    await authenticators.remove(office.desk, signed, made.id)
    assert {device.name for device in await office.store.devices.list(ANN)} == {"phone", "Ann's tablet"}
    # The one signed in with: the sign-in ends with it.
    await authenticators.remove(office.desk, signed, signed.device)
    with pytest.raises(ChangeRefused, match="has ended"):
        await authenticators.remove(office.desk, signed, second.id)


async def test_the_last_one_stays_where_there_must_be_one(office: Office) -> None:
    signed = await office.full()
    office.policy = ENFORCE
    with pytest.raises(ChangeRefused, match="last authenticator"):
        await authenticators.remove(office.desk, signed, signed.device)
    assert len(await office.store.devices.list(ANN)) == 1
    office.policy = Policy()
    await authenticators.remove(office.desk, signed, signed.device)
    assert await office.store.devices.list(ANN) == ()


async def test_one_person_confirms_nothing_of_anothers(office: Office) -> None:
    signed = await office.full()
    bob = await office.store.accounts.add(AccountName("bob@example.org"), actor=OPERATOR)
    theirs = await office.store.devices.enrol(bob.name, "phone", SEED, actor=OPERATOR)
    for device_id in (theirs.id, "nothere"):
        with pytest.raises(ChangeRefused, match="add it again"):
            await authenticators.confirm(office.desk, signed, device_id, office.digits(1))


@pytest.mark.parametrize("end", ["reset", "suspend", "remove", "removed and added again"])
async def test_what_ends_an_account_ends_its_sign_ins(office: Office, end: str) -> None:
    signed = await office.full()
    match end:
        case "reset":
            await office.store.devices.reset(ANN, actor=OPERATOR)
        case "suspend":
            await office.store.accounts.suspend(ANN, actor=OPERATOR)
        case _:
            await office.store.accounts.remove(ANN, actor=OPERATOR)
    if end == "removed and added again":
        await office.store.accounts.add(ANN, actor=OPERATOR)
    for act in (
        lambda: authenticators.enrol(office.desk, signed, "phone"),
        lambda: recovery_codes.issue(office.desk, signed),
        lambda: app_passwords.issue(office.desk, signed, WISH),
    ):
        with pytest.raises(ChangeRefused, match="has ended"):
            await act()


async def test_a_clock_that_jumped_confirms_nothing(office: Office) -> None:
    signed = await office.signed()
    device, _ = await authenticators.enrol(office.desk, signed, "phone")
    office.hands.believed = False
    with pytest.raises(ChangeRefused, match="in a minute"):
        await authenticators.confirm(office.desk, signed, device.id, office.shown_by(device.seed.reveal()))


async def test_a_bypass_binds_and_unbinds_nothing(office: Office) -> None:
    await office.enrol()
    signed = await office.bypass()
    (device,) = await office.store.devices.list(ANN)
    for act in (
        lambda: authenticators.enrol(office.desk, signed, "new phone"),
        lambda: authenticators.remove(office.desk, signed, device.id),
        lambda: recovery_codes.issue(office.desk, signed),
    ):
        with pytest.raises(ChangeRefused, match="bypass"):
            await act()
    able = await office.bypass(may_enrol=True)
    new, _ = await authenticators.enrol(office.desk, able, "new phone")
    await authenticators.confirm(office.desk, able, new.id, office.shown_by(new.seed.reveal()))
    await authenticators.remove(office.desk, able, device.id)
    assert [each.name for each in await office.store.devices.list(ANN)] == ["new phone"]


async def test_a_bypass_after_a_reset_may_bind_the_first(office: Office) -> None:
    await office.enrol()
    await office.store.devices.reset(ANN, actor=OPERATOR)
    able = await office.bypass(may_enrol=True)
    assert able.standing is Standing.ENROLS
    new, _ = await authenticators.enrol(office.desk, able, "new phone")
    now = await authenticators.confirm(office.desk, able, new.id, office.shown_by(new.seed.reveal()))
    assert (now.standing, now.until) == (Standing.FULL, None)
    account = await office.store.accounts.get(ANN)
    assert account is not None
    assert not account.factor_required


async def test_a_lost_phone_is_replaced_by_a_recovery_code(office: Office) -> None:
    lost = await office.enrol()
    signed = await office.signed(await office.recovery())
    new, _ = await authenticators.enrol(office.desk, signed, "new phone")
    await authenticators.confirm(office.desk, signed, new.id, office.shown_by(new.seed.reveal()))
    await authenticators.remove(office.desk, signed, lost)
    office.hands.at += 30
    assert await office.by_mail(PASSWORD + office.shown_by(new.seed.reveal())) is Factor.CODE


async def test_a_full_sign_in_need_not_wait_for_what_it_has(office: Office) -> None:
    signed = replace(await office.full(), until=office.hands.at)
    with pytest.raises(ChangeRefused, match="has ended"):
        await recovery_codes.issue(office.desk, signed)


async def test_what_changes_the_factors_takes_a_fresh_sign_in(office: Office) -> None:
    signed = await office.full()
    made, _ = await authenticators.enrol(office.desk, signed, "tablet")
    code = office.shown_by(made.seed.reveal())
    office.hands.at += FRESH_SECONDS
    for act in (
        lambda: authenticators.enrol(office.desk, signed, "another"),
        lambda: authenticators.keep(office.desk, signed, "token", LINK),
        lambda: authenticators.remove(office.desk, signed, signed.device),
        lambda: recovery_codes.issue(office.desk, signed),
    ):
        with pytest.raises(FreshNeeded, match="sign in again"):
            await act()
    office.hands.at -= FRESH_SECONDS
    await authenticators.confirm(office.desk, signed, made.id, code)


async def test_asked_again_with_the_same_secret_it_is_the_same_authenticator(office: Office) -> None:
    signed, once = await office.signed(), Secret(b"this browser's")
    made, link = await authenticators.enrol(office.desk, signed, "phone", once)
    both = await asyncio.gather(
        *(authenticators.enrol(office.desk, signed, "phone", Secret(b"parallel")) for _ in range(2))
    )
    assert both[0] == both[1]
    assert await authenticators.enrol(office.desk, signed, "phone", once) == (made, link)
    assert await authenticators.begun(office.desk, signed, Secret(b"another's")) is None
    await authenticators.discard(office.desk, signed, once)
    assert await authenticators.begun(office.desk, signed, once) is None
    again, _ = await authenticators.enrol(office.desk, signed, "phone", once)
    assert again.seed != made.seed
    now = await authenticators.confirm(office.desk, signed, again.id, office.shown_by(again.seed.reveal()))
    assert await authenticators.begun(office.desk, now, once) is None
    await authenticators.discard(office.desk, now, once)
    assert again.id in {device.id for device in await office.store.devices.list(ANN)}, "what counts is not discarded"


async def test_a_sign_in_that_bound_its_first_factor_is_as_fresh_as_that(office: Office) -> None:
    signed = await office.signed()
    made, _ = await authenticators.enrol(office.desk, signed, "phone")
    office.hands.at += 2 * FRESH_SECONDS
    now = await authenticators.confirm(office.desk, signed, made.id, office.shown_by(made.seed.reveal()))
    assert len(await recovery_codes.issue(office.desk, now)) == 10


async def test_codes_that_a_page_did_not_know_of_are_not_ended_by_it(office: Office) -> None:
    signed = await office.full()
    await recovery_codes.issue(office.desk, signed, instead="")
    with pytest.raises(ChangeRefused, match="were made since"):
        await recovery_codes.issue(office.desk, signed, instead="")
    left = await recovery_codes.left(office.desk, signed)
    assert left.count == 10
    await recovery_codes.issue(office.desk, signed, instead=left.newest)
