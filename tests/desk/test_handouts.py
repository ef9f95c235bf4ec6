"""Links that set up the device that opens them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from mailguard import config
from mailguard.auth import vault
from mailguard.auth.attempt import Factor, MailProtocol, Origin
from mailguard.auth.events import Event
from mailguard.auth.passwords import grouped
from mailguard.auth.standing import Proven, SignedIn
from mailguard.desk import handouts
from mailguard.desk.app_passwords import Wish
from mailguard.secret import Secret
from mailguard.store import ChangeRefused, MadeAlready, Store
from mailguard.store.handouts import HANDOUT_SECONDS
from mailguard.store.portal_sessions import Browser, PortalSession
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.auth.test_signin import OPERATOR
from tests.desk.conftest import Office
from tests.store.words import content

ALL = frozenset(MailProtocol)
WISH = Wish("iPad", ALL)


async def session(office: Office, signed: SignedIn) -> PortalSession:
    browser = Browser(b"digest of a cookie", Origin.of("192.0.2.7", 1), "Tests/1.0")
    return await office.store.portal_sessions.open(signed, browser)


async def linked(office: Office, life: float | None = None) -> tuple[Secret, PortalSession]:
    """A link, and the session that made it."""
    held = await session(office, await office.full())
    return await handouts.make(office.desk, held, replace(WISH, life=life)), held


async def test_it_makes_an_app_password_for_the_device_that_opens_it(office: Office) -> None:
    token, _ = await linked(office, life=3600.0)
    assert await office.store.app_passwords.list(ANN) == ()
    good = await handouts.look(office.desk, token)
    assert (good.handout.label, good.by.account.name) == ("iPad", ANN)
    issued = await handouts.use(office.desk, Secret(grouped(token).upper().encode()), ALL)
    assert (issued.mailbox, issued.row.label, issued.row.issued_by) == (ANN, "iPad", "owner")
    assert issued.row.expires_at == office.hands.at + 3600
    assert issued.secret != token
    assert await office.by_mail(grouped(issued.secret)) is Factor.APP_PASSWORD
    assert (await office.events()).count(Event.APP_PASSWORD_ISSUED) == 1


async def test_it_opens_once(office: Office, tmp_path: Path) -> None:
    token, _ = await linked(office)
    other = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", office.ring, now=office.hands.now)
    desks = office.desk, replace(office.desk, store=other)
    done = await asyncio.gather(*(handouts.use(desk, token, ALL) for desk in desks), return_exceptions=True)
    await other.close()
    assert sorted(type(each).__name__ for each in done) == ["ChangeRefused", "Issued"]
    assert len(await office.store.app_passwords.list(ANN)) == 1
    with pytest.raises(ChangeRefused, match="opens nothing"):
        await handouts.look(office.desk, token)


async def test_it_ends_after_ten_minutes(office: Office) -> None:
    token, _ = await linked(office)
    office.hands.at += HANDOUT_SECONDS
    for way in (handouts.look(office.desk, token), handouts.use(office.desk, token, ALL)):
        with pytest.raises(ChangeRefused, match="opens nothing"):
            await way
    await office.store.purge()
    assert await office.store.app_passwords.list(ANN) == ()


@pytest.mark.parametrize("ending", ["sign-out", "suspended", "reset", "another sign-in"])
async def test_it_ends_with_what_its_maker_stood_on(office: Office, ending: str) -> None:
    token, held = await linked(office)
    match ending:
        case "sign-out":
            await office.store.portal_sessions.end(ANN, held.id, actor="owner")
        case "suspended":
            await office.store.accounts.suspend(ANN, actor=OPERATOR)
        case "reset":
            await office.store.devices.reset(ANN, actor=OPERATOR)
        case _:
            browser = Browser(b"another", Origin.of("192.0.2.7", 1), "Tests/1.0")
            await office.store.portal_sessions.open(held.signed, browser, instead=held.id)
    for way in (handouts.look(office.desk, token), handouts.use(office.desk, token, ALL)):
        with pytest.raises(ChangeRefused, match="opens nothing"):
            await way


async def test_what_it_makes_under_a_bypass_ends_with_that(office: Office) -> None:
    await office.enrol()
    held = await session(office, await office.bypass())
    token = await handouts.make(office.desk, held, WISH)
    assert (await handouts.use(office.desk, token, ALL)).row.expires_at == held.signed.until


async def test_the_store_password_waits_sealed_to_the_token(office: Office, tmp_path: Path) -> None:
    held = await session(office, await office.full())
    office.own = ALL
    with pytest.raises(ChangeRefused, match="type your password once more"):
        await handouts.make(office.desk, held, WISH)
    proven = Proven(held.account.id, Secret(PASSWORD.encode()))
    token = await handouts.make(office.desk, held, WISH, proven)
    kept = content(tmp_path / "mailguard.db")
    assert PASSWORD.encode() not in kept
    assert token.reveal() not in kept
    issued = await handouts.use(office.desk, token, ALL)
    entry = (await office.store.vault.entries(ANN))[issued.row.id]
    assert vault.unseal(issued.secret, issued.row.id, held.account.id, entry.sealed) == Secret(PASSWORD.encode())


async def test_one_that_could_not_be_kept_can_be_opened_again(office: Office) -> None:
    token, _ = await linked(office)
    office.limits = config.Policy(app_password_limit=0)
    with pytest.raises(ChangeRefused, match="revoke one first"):
        await handouts.use(office.desk, token, ALL)
    office.limits = config.Policy()
    await handouts.use(office.desk, token, ALL)


async def test_the_same_form_twice_makes_one(office: Office) -> None:
    held = await session(office, await office.full())
    await handouts.make(office.desk, held, WISH, row_id="k7mq2xwdm9ra")
    with pytest.raises(MadeAlready):
        await handouts.make(office.desk, held, WISH, row_id="k7mq2xwdm9ra")


@pytest.mark.parametrize("token", [b"", b"nonsense", b"a" * 28, b"\xff" * 200])
async def test_what_is_no_link_opens_nothing(office: Office, token: bytes) -> None:
    with pytest.raises(ChangeRefused, match="opens nothing"):
        await handouts.use(office.desk, Secret(token), ALL)
