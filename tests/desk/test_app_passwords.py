"""A person's own app passwords, made at the desk or by a claim link."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from mailguard import config
from mailguard.auth import vault
from mailguard.auth.accounts import AccountKind, AccountName, AppPassword, Claim, KeyedHash
from mailguard.auth.attempt import Factor, MailProtocol, Reason
from mailguard.auth.events import Event
from mailguard.auth.passwords import digest_claim, generate_app_password, grouped
from mailguard.auth.standing import Proven, SignedIn, Standing
from mailguard.desk import app_passwords
from mailguard.desk.app_passwords import Wish
from mailguard.secret import Secret
from mailguard.store import ChangeRefused, Store, new_id
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.auth.test_signin import OPERATOR
from tests.desk.conftest import Office

WISH = Wish("Ann's phone", frozenset(MailProtocol))
DAY = 86400.0
BOB, DESK = AccountName("bob@example.org"), AccountName("reception@example.org")


async def claim(office: Office, name: AccountName = ANN, **changes: object) -> Secret:
    account = await office.store.accounts.get(name)
    assert account is not None
    token = generate_app_password()
    now = office.hands.at
    made = Claim(new_id(), account.id, "tablet", frozenset({MailProtocol.IMAP}), now, now + DAY, issued_by=OPERATOR)
    row = replace(made, **changes)  # type: ignore[arg-type]  # passed on as it is
    await office.store.claims.issue(name, row, digest_claim(office.ring, token), actor=OPERATOR)
    return token


async def test_it_is_made_and_opens_mail(office: Office) -> None:
    signed = await office.full()
    made = await app_passwords.issue(office.desk, signed, WISH)
    assert await office.by_mail(grouped(made.secret)) is Factor.APP_PASSWORD
    (row,) = await office.store.app_passwords.list(ANN)
    assert (row.label, row.seen_by_operator, row.issued_by) == ("Ann's phone", False, "owner")
    assert made.secret.reveal().decode() not in repr(made)


async def test_policy_bounds_what_is_wished_for(office: Office) -> None:
    signed = await office.full()
    office.limits = config.Policy(app_password_expires=30 * DAY, app_password_idle=10 * DAY, app_password_limit=2)
    now = office.hands.at
    long = await app_passwords.issue(office.desk, signed, replace(WISH, life=90 * DAY, idle=90 * DAY))
    assert (long.row.expires_at, long.row.idle) == (now + 30 * DAY, 10 * DAY)
    short = await app_passwords.issue(office.desk, signed, replace(WISH, life=DAY, idle=DAY))
    assert (short.row.expires_at, short.row.idle) == (now + DAY, DAY)
    with pytest.raises(ChangeRefused, match="revoke one first"):
        await app_passwords.issue(office.desk, signed, WISH)


async def test_without_a_factor_there_is_none(office: Office) -> None:
    signed = await office.signed()
    assert signed.standing is Standing.ENROLS
    with pytest.raises(ChangeRefused, match="authenticator first"):
        await app_passwords.issue(office.desk, signed, WISH)
    token = await claim(office)
    with pytest.raises(ChangeRefused, match="authenticator first"):
        await app_passwords.redeem(office.desk, signed, token)


async def test_what_is_made_under_a_bypass_ends_with_it(office: Office) -> None:
    """Whoever talked a bypass out of the help desk at night has the mail until the morning."""
    await office.enrol()
    signed = await office.bypass()
    made = await app_passwords.issue(office.desk, signed, replace(WISH, life=90 * DAY))
    assert made.row.expires_at == signed.until
    linked = await app_passwords.redeem(office.desk, signed, await claim(office))
    assert linked.row.expires_at == signed.until
    office.hands.at += 3600
    with pytest.raises(ChangeRefused, match="has ended"):
        await app_passwords.issue(office.desk, signed, WISH)


async def test_under_own_the_proven_password_is_sealed(office: Office) -> None:
    signed = await office.full()
    office.own = frozenset({MailProtocol.IMAP})
    stranger = Proven("another", Secret(PASSWORD.encode()))
    for proven in (None, stranger):
        with pytest.raises(ChangeRefused, match="type your password once more"):
            await app_passwords.issue(office.desk, signed, WISH, proven)
    hers = await office.attempt(PASSWORD, "").prove(signed, office.directory)
    assert isinstance(hers, Proven)
    made = await app_passwords.issue(office.desk, signed, WISH, hers)
    entry = (await office.store.vault.entries(ANN))[made.row.id]
    assert vault.unseal(made.secret, made.row.id, made.row.account_id, entry.sealed) == Secret(PASSWORD.encode())
    only_sending = replace(WISH, protocols=frozenset({MailProtocol.SUBMISSION}))
    await app_passwords.issue(office.desk, signed, only_sending)


async def test_a_sign_in_seals_a_new_password_anew(office: Office) -> None:
    signed = await office.full()
    office.own, office.seals = frozenset(MailProtocol), True
    made = await app_passwords.issue(office.desk, signed, WISH, Proven(signed.account_id, Secret(b"old")))
    office.hands.at += 30
    attempt = office.attempt(PASSWORD, office.digits())
    assert isinstance(await attempt.decide(office.directory), SignedIn)
    assert attempt.proven == Proven(signed.account_id, Secret(PASSWORD.encode()))
    entry = (await office.store.vault.entries(ANN))[made.row.id]
    assert vault.unseal(made.secret, made.row.id, made.row.account_id, entry.sealed) == Secret(PASSWORD.encode())


async def test_a_claim_link_makes_one_app_password_for_its_owner(office: Office) -> None:
    signed = await office.full()
    token = await claim(office, life=90 * DAY, idle=DAY, networks=(ip_network("192.0.2.0/24"),))
    made = await app_passwords.redeem(office.desk, signed, token)
    assert made.secret != token
    assert (made.row.label, made.row.idle, made.row.networks) == ("tablet", DAY, (ip_network("192.0.2.0/24"),))
    assert (made.row.expires_at, made.row.seen_by_operator) == (office.hands.at + 90 * DAY, False)
    assert await office.by_mail(grouped(made.secret)) is Factor.APP_PASSWORD
    with pytest.raises(ChangeRefused, match="opens nothing"):
        await app_passwords.redeem(office.desk, signed, token)
    events = await office.events()
    assert events.count(Event.CLAIM_USED) == events.count(Event.APP_PASSWORD_ISSUED) == 1


async def test_two_who_open_one_link_get_one_app_password(office: Office, tmp_path: Path) -> None:
    signed = await office.full()
    token = await claim(office)
    other = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", office.ring, now=office.hands.now)
    desks = office.desk, replace(office.desk, store=other)
    both = (app_passwords.redeem(desk, signed, token) for desk in desks)
    done = await asyncio.gather(*both, return_exceptions=True)
    await other.close()
    assert [type(each) for each in done if isinstance(each, Exception)] == [ChangeRefused]
    assert len(await office.store.app_passwords.list(ANN)) == 1


async def test_a_link_ends_after_a_day_and_with_a_reset(office: Office) -> None:
    signed = await office.full()
    token, second = await claim(office), await claim(office)
    office.hands.at += DAY
    with pytest.raises(ChangeRefused, match="opens nothing"):
        await app_passwords.redeem(office.desk, signed, token)
    fresh = await claim(office)
    await office.store.devices.reset(ANN, actor=OPERATOR)
    await office.store.devices.enrol(ANN, "new", Secret(b"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), actor=OPERATOR)
    again = await office.bypass()
    for gone in (fresh, second):
        with pytest.raises(ChangeRefused, match="opens nothing"):
            await app_passwords.redeem(office.desk, again, gone)


@pytest.mark.parametrize("token", [b"", b"nonsense", b"a" * 28])
async def test_what_is_no_link_opens_nothing(office: Office, token: bytes) -> None:
    signed = await office.full()
    with pytest.raises(ChangeRefused, match="opens nothing"):
        await app_passwords.redeem(office.desk, signed, Secret(token))


async def test_anothers_link_opens_nothing_and_stays_good(office: Office) -> None:
    signed = await office.full()
    await office.store.accounts.add(BOB, actor=OPERATOR)
    token = await claim(office, BOB)
    with pytest.raises(ChangeRefused, match="opens nothing"):
        await app_passwords.redeem(office.desk, signed, token)
    assert Event.CLAIM_USED not in await office.events()


async def test_a_link_that_could_not_be_kept_can_be_opened_again(office: Office) -> None:
    signed = await office.full()
    token = await claim(office)
    office.limits = config.Policy(app_password_limit=0)
    with pytest.raises(ChangeRefused, match="revoke one first"):
        await app_passwords.redeem(office.desk, signed, token)
    office.limits = config.Policy()
    await app_passwords.redeem(office.desk, signed, token)


async def test_the_link_of_a_shared_mailbox_is_opened_by_the_person_it_names(office: Office) -> None:
    signed = await office.full()
    office.own = frozenset(MailProtocol)
    shared = await office.store.accounts.add(DESK, actor=OPERATOR, kind=AccountKind.SHARED)
    with pytest.raises(ChangeRefused, match="--person"):
        await claim(office, DESK)
    await office.store.members.add(DESK, ANN, actor=OPERATOR)
    made = await app_passwords.redeem(office.desk, signed, await claim(office, DESK, person_id=signed.account_id))
    assert (made.row.account_id, made.row.person_id) == (shared.id, signed.account_id)


async def test_nobody_opens_the_link_of_a_service(office: Office) -> None:
    await office.store.accounts.add(DESK, actor=OPERATOR, kind=AccountKind.SERVICE)
    with pytest.raises(ChangeRefused, match="without --claim"):
        await claim(office, DESK)


async def test_one_that_is_not_used_within_a_day_lapses(office: Office) -> None:
    signed = await office.full()
    forgotten = await app_passwords.issue(office.desk, signed, WISH)
    linked = await app_passwords.redeem(office.desk, signed, await claim(office))
    used = await app_passwords.issue(office.desk, signed, WISH)
    assert await office.by_mail(grouped(used.secret)) is Factor.APP_PASSWORD
    office.hands.at += app_passwords.FIRST_USE_SECONDS
    for lapsed in (forgotten, linked):
        assert await office.by_mail(grouped(lapsed.secret)) is Reason.APP_PASSWORD_EXPIRED
    assert await office.by_mail(grouped(used.secret)) is Factor.APP_PASSWORD


async def test_the_same_form_twice_makes_one(office: Office, tmp_path: Path) -> None:
    signed = await office.full()
    other = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", office.ring, now=office.hands.now)
    desks = office.desk, replace(office.desk, store=other)
    both = (app_passwords.issue(desk, signed, WISH, row_id="k7mq2xwdm9ra") for desk in desks)
    done = await asyncio.gather(*both, return_exceptions=True)
    await other.close()
    assert sorted(type(each).__name__ for each in done) == ["Issued", "MadeAlready"]
    assert [row.id for row in await office.store.app_passwords.list(ANN)] == ["k7mq2xwdm9ra"]


@pytest.mark.parametrize("label", ["", "  ", "x" * 61, "a\x00b", "a\u202eb"])
async def test_a_label_is_one_that_can_be_read(office: Office, label: str) -> None:
    signed = await office.full()
    with pytest.raises(ChangeRefused, match="1 to 60"):
        await app_passwords.issue(office.desk, signed, replace(WISH, label=label))
    made = await app_passwords.issue(office.desk, signed, WISH)
    with pytest.raises(ChangeRefused, match="1 to 60"):
        await app_passwords.rename(office.desk, signed, made.row.id, label)


async def test_one_s_own_are_named_and_ended(office: Office) -> None:
    signed = await office.full()
    made = await app_passwords.issue(office.desk, signed, WISH)
    await app_passwords.rename(office.desk, signed, made.row.id, " Ann's <b>old</b> phone ")
    (kept,) = await app_passwords.mine(office.desk, signed)
    assert (kept.mailbox, kept.row.label, kept.refused) == (ANN, "Ann's <b>old</b> phone", False)
    assert await office.by_mail(grouped(made.secret)) is Factor.APP_PASSWORD, "a new name is under the MAC"
    await app_passwords.revoke(office.desk, signed, made.row.id)
    assert await office.by_mail(grouped(made.secret)) is Reason.APP_PASSWORD_REVOKED
    assert [event for event in await office.events() if event.value.endswith(("-renamed", "-revoked"))] == [
        Event.APP_PASSWORD_RENAMED,
        Event.APP_PASSWORD_REVOKED,
    ]


async def test_anothers_are_neither_seen_nor_named_nor_ended(office: Office) -> None:
    signed = await office.full()
    bob = await office.store.accounts.add(BOB, actor=OPERATOR)
    his = AppPassword("m9ra3fghtz8c", bob.id, "his", frozenset({MailProtocol.IMAP}))
    await office.store.app_passwords.issue(BOB, his, KeyedHash("g1", b"x"), actor=OPERATOR)
    assert await app_passwords.mine(office.desk, signed) == ()
    for act in (
        app_passwords.revoke(office.desk, signed, his.id),
        app_passwords.rename(office.desk, signed, his.id, "hers"),
    ):
        with pytest.raises(ChangeRefused, match="no such app password of yours"):
            await act
    assert await app_passwords.revoke_all(office.desk, signed) == 0
    (left,) = await office.store.app_passwords.list(BOB)
    assert (left.label, left.revoked_at) == ("his", None)


async def test_what_one_holds_at_a_shared_mailbox_is_one_s_own(office: Office) -> None:
    signed = await office.full()
    await office.store.accounts.add(DESK, actor=OPERATOR, kind=AccountKind.SHARED)
    await office.store.members.add(DESK, ANN, actor=OPERATOR)
    made = [
        await app_passwords.redeem(office.desk, signed, await claim(office, DESK, person_id=signed.account_id))
        for _ in range(2)
    ]
    assert [kept.mailbox for kept in await app_passwords.mine(office.desk, signed)] == [DESK, DESK]
    await app_passwords.rename(office.desk, signed, made[0].row.id, "at the desk")
    await app_passwords.revoke(office.desk, signed, made[0].row.id)
    await app_passwords.issue(office.desk, signed, WISH)
    assert await app_passwords.revoke_all(office.desk, signed) == 2
    rows = await office.store.app_passwords.list(DESK)
    assert all(row.revoked_at is not None for row in rows)


async def test_a_sign_in_that_was_ended_ends_and_names_nothing(office: Office) -> None:
    signed = await office.full()
    made = await app_passwords.issue(office.desk, signed, WISH)
    await office.store.devices.reset(ANN, actor=OPERATOR)
    for act in (
        app_passwords.revoke(office.desk, signed, made.row.id),
        app_passwords.rename(office.desk, signed, made.row.id, "x"),
        app_passwords.revoke_all(office.desk, signed),
    ):
        with pytest.raises(ChangeRefused, match="has ended"):
            await act
