"""Accounts at the administrators' pages: found, made, looked at, acted on."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mailguard.auth import recovery
from mailguard.auth.accounts import AccountKind, AccountName, AppPassword, CodeKind
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.passwords import digest_app_password, generate_app_password
from mailguard.auth.roles import Role
from mailguard.config import Backend, Policy
from mailguard.store import new_id
from tests.auth.test_signin import OPERATOR
from tests.store.words import ANN, admitted, by_code, phone, token
from tests.web.admin.conftest import AWAY, BOB, CHIEF, Offices
from tests.web.conftest import sign_in

HERE = f"/admin/accounts/{BOB}"
DESK, SCANNER = AccountName("desk@example.org"), AccountName("scanner@example.org")
NASTY = '"><script>alert(1)</script>'


async def app_password(offices: Offices, name: AccountName, label: str) -> str:
    """Give somebody an app password; its id."""
    portal = offices.portal
    account = await portal.store.accounts.get(name)
    assert account is not None
    row = AppPassword(new_id(), account.id, label, frozenset({MailProtocol.IMAP}), created_at=portal.hands.at)
    digest = digest_app_password(portal.ring, generate_app_password().reveal())
    await portal.store.app_passwords.issue(name, row, digest, actor=OPERATOR)
    return row.id


def names(text: str) -> list[str]:
    return re.findall(r'<a href="/admin/accounts/[^"]+">([^<]+)</a>', text)


async def test_the_list_is_found_by_name_group_and_state(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB, group="staff")
    await offices.account(AWAY)
    await offices.portal.store.accounts.suspend(AWAY, actor=OPERATOR)
    await sign_in(offices.portal.browser(), name=BOB, password="wrong")
    for asked, found in (
        ("", [AWAY, BOB, CHIEF]),
        ("?text=BOB", [BOB]),
        ("?group=none", [AWAY, CHIEF]),
        ("?group=in%3Astaff", [BOB]),
        ("?no_factor=1", [AWAY, BOB]),
        ("?failing=1", [BOB]),
        ("?suspended=1", [AWAY]),
        ("?privileged=1", [CHIEF]),
        ("?suspended=1&privileged=1", []),
        ("?text=%25", []),
    ):
        page = await browser.get(f"/admin/accounts{asked}")
        assert page.status == 200
        assert names(page.text) == found, asked


async def test_the_list_goes_on_page_by_page(offices: Offices) -> None:
    browser = await offices.administrator()
    for number in range(60):
        await offices.account(AccountName(f"people{number:02}@example.org"))
    first = await browser.get("/admin/accounts?text=people")
    onward = re.search(r'href="(/admin/accounts\?[^"]*after=[^"]*)"', first.text)
    assert onward is not None
    second = await browser.get(onward[1].replace("&amp;", "&"))
    assert (len(names(first.text)), len(names(second.text))) == (50, 10)
    assert "Accounts that match: 60" in second.text
    assert "after=" not in second.text


async def test_a_limit_holds_for_the_list_and_for_each_page(offices: Offices) -> None:
    browser = await offices.administrator(Role.HELPDESK, "domain:example.org")
    await offices.account(BOB)
    await offices.account(AWAY)
    assert names((await browser.get("/admin/accounts")).text) == [BOB, CHIEF]
    there = await browser.get(f"/admin/accounts/{AWAY}")
    nowhere = await browser.get("/admin/accounts/nobody@example.net")
    assert (there.status, nowhere.status) == (403, 403)
    away, nobody = (name.replace("@", "%40") for name in (AWAY, "nobody@example.net"))
    assert there.text.replace(away, "X") == nowhere.text.replace(nobody, "X")


async def test_an_account_is_added(offices: Offices) -> None:
    offices.portal.settings = replace(offices.portal.settings, policy=Policy(group={"staff": Policy()}))
    browser = await offices.administrator()
    page = await browser.fill("/admin/accounts/add", address="Bob@Example.org", group="staff")
    assert "The account is there." in page.text
    account = await offices.portal.store.accounts.get(BOB)
    assert account is not None
    assert (account.group, account.kind) == ("staff", AccountKind.PERSON)


async def test_what_nobody_signs_in_to_is_made_on_the_guard_alone(offices: Offices) -> None:
    browser, store = await offices.administrator(), offices.portal.store
    await browser.fill("/admin/accounts/add", address=DESK, kind="shared")
    made = await store.accounts.get(DESK)
    assert made is not None
    assert made.kind is AccountKind.PERSON, "the form asks for no kind"
    await store.accounts.add(SCANNER, actor=OPERATOR, kind=AccountKind.SERVICE)
    here = f"/admin/accounts/{SCANNER}"
    assert "/claim-link" not in (await browser.get(here)).text
    assert (await browser.get(f"{here}/claim-link")).status == 403
    hidden = (await browser.get("/admin/accounts/add")).form("/admin/accounts/add")
    assert (await browser.post(f"{here}/claim-link", {**hidden, "label": "scanner"})).status == 403
    assert (await store.audit.list())[-1].row.reason == "guard-only"


@pytest.mark.parametrize("address", ["", "no at sign", f"{NASTY}@example.org", BOB])
async def test_a_name_that_cannot_be_is_refused_with_the_reason(offices: Offices, address: str) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    page = await browser.fill("/admin/accounts/add", address=address, group="")
    assert page.status == 400
    assert 'role="alert"' in page.text
    assert "<script>alert" not in page.text


async def test_one_page_shows_all_of_an_account(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    device = await offices.enrolled(BOB)
    password = await app_password(offices, BOB, "Bob's phone")
    offices.portal.hands.at += 30
    await offices.enter(BOB)
    await sign_in(offices.portal.browser(), name=BOB, password="wrong")
    page = await browser.get(HERE)
    assert page.status == 200
    assert f"{HERE}/authenticator/{device}" in page.text.replace("%40", "@")
    assert f"{HERE}/app-password/{password}" in page.text
    assert f"{HERE}/browser/" in page.text
    assert "Bob&#39;s phone" in page.text
    assert "It sends a wrong password" in page.text
    assert "sign-in-refused" in page.text


@pytest.mark.parametrize(
    ("step", "event"),
    [
        ("suspend", Event.ACCOUNT_SUSPENDED),
        ("unlock", Event.ACCOUNT_UNLOCKED),
        ("remove", Event.ACCOUNT_REMOVED),
        ("reset", Event.FACTORS_RESET),
        ("reset-all", Event.FACTORS_RESET),
        ("revoke-all", Event.APP_PASSWORD_REVOKED),
        ("end-sessions", Event.SESSION_END_ASKED),
    ],
)
async def test_an_act_is_asked_about_and_done(offices: Offices, step: str, event: Event) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    await offices.enrolled(BOB)
    await app_password(offices, BOB, "phone")
    before = await offices.portal.events()
    assert (await browser.get(f"{HERE}/{step}")).status == 200
    assert await offices.portal.events() == before
    page = await browser.fill(f"{HERE}/{step}")
    assert page.status == 200
    assert 'class="note good" role="status"' in page.text
    done = (await offices.portal.store.audit.list())[-1].row
    assert event in (await offices.portal.events())[len(before) :]
    assert done.actor == f"administrator:{CHIEF}"


async def test_a_suspended_account_is_resumed(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    await browser.fill(f"{HERE}/suspend")
    page = await browser.get(HERE)
    assert f"{HERE}/resume" in page.text
    assert f"{HERE}/suspend" not in page.text
    await browser.fill(f"{HERE}/resume")
    account = await offices.portal.store.accounts.get(BOB)
    assert account is not None
    assert not account.suspended


async def test_one_thing_of_an_account_is_ended(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    device = await offices.enrolled(BOB)
    password = await app_password(offices, BOB, "phone")
    offices.portal.hands.at += 30
    theirs = await offices.enter(BOB)
    (session,) = await offices.portal.store.portal_sessions.list(BOB)
    page = await browser.fill(f"{HERE}/browser/{session.id}")
    assert "That browser is signed out." in page.text
    assert (await theirs.get("/")).status == 303
    await browser.fill(f"{HERE}/app-password/{password}")
    (row,) = await offices.portal.store.app_passwords.list(BOB)
    assert row.revoked_at is not None
    await browser.fill(f"{HERE}/authenticator/{device}")
    assert await offices.portal.store.devices.list(BOB) == ()


async def test_a_passkey_and_a_used_code_are_ended(offices: Offices) -> None:
    browser = await offices.administrator()
    store, ring = offices.portal.store, offices.portal.ring
    await offices.account(ANN)
    device, passkey = await phone(store), await token(store)
    revision = await store.revocations.newest()
    admitted(await store.ledger.admit(by_code(ring, device, 101, grant=3600.0, revision=revision)))
    (row,) = await store.grants.list(ANN)
    here = f"/admin/accounts/{ANN}"
    page = await browser.get(here)
    assert f"{here}/grant/{row.grant.id}" in page.text
    assert f"{here}/passkey/{passkey.id}" in page.text
    assert "The code opens nothing more." in (await browser.fill(f"{here}/grant/{row.grant.id}")).text
    assert "The passkey is removed." in (await browser.fill(f"{here}/passkey/{passkey.id}")).text
    assert await store.grants.list(ANN) == ()
    assert await store.passkeys.list(ANN) == ()


async def test_the_id_of_somebody_elses_thing_does_nothing(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    await offices.account(AWAY)
    device, password = await offices.enrolled(AWAY), await app_password(offices, AWAY, "phone")
    offices.portal.hands.at += 30
    await offices.enter(AWAY)
    (session,) = await offices.portal.store.portal_sessions.list(AWAY)
    token = (await browser.get("/admin")).form()["token"]
    before = await offices.portal.events()
    for step, item in (
        ("authenticator", device),
        ("app-password", password),
        ("browser", session.id),
        ("nonsense", "x"),
    ):
        assert (await browser.get(f"{HERE}/{step}/{item}")).status == 404
        assert (await browser.post(f"{HERE}/{step}/{item}", {"token": token})).status == 404
    assert await offices.portal.events() == before


async def test_a_bypass_and_an_enrolment_code_are_shown_once_and_open_the_door(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    page = await browser.fill(f"{HERE}/enrolment-code")
    code = re.search(r'<code id="secret">([^<]+)</code>', page.text)
    assert code is not None
    assert code[1] not in (await browser.get(HERE)).text
    assert "An enrolment code is out" in (await browser.get(HERE)).text
    newcomer = offices.portal.browser()
    assert "authenticator" in (await sign_in(newcomer, code[1], name=BOB)).text
    await offices.enrolled(BOB)
    page = await browser.fill(f"{HERE}/bypass", hours="8", may_enrol="")
    bypass = re.search(r'<code id="secret">([^<]+)</code>', page.text)
    assert bypass is not None
    assert await offices.enter(BOB, bypass[1])


async def test_a_bypass_is_offered_where_there_is_or_was_a_factor(offices: Offices) -> None:
    """Somebody whose lost phone was reset at night has nothing to sign in with until the next one is there."""
    browser = await offices.administrator()
    await offices.account(BOB)
    assert f"{HERE}/bypass" not in (await browser.get(HERE)).text
    await offices.enrolled(BOB)
    assert f"{HERE}/bypass" in (await browser.get(HERE)).text
    await browser.fill(f"{HERE}/reset")
    page = await browser.fill(f"{HERE}/bypass", hours="8", may_enrol="")
    assert f"{HERE}/bypass" in (await browser.get(HERE)).text
    bypass = re.search(r'<code id="secret">([^<]+)</code>', page.text)
    assert bypass is not None
    assert await offices.enter(BOB, bypass[1])


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "1000", "x", ""])
async def test_a_bypass_has_bounds(offices: Offices, hours: str) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    assert (await browser.fill(f"{HERE}/bypass", hours=hours)).status == 400
    assert Event.CODES_ISSUED not in await offices.portal.events()


async def test_a_claim_link_is_made_as_the_form_says(offices: Offices) -> None:
    offices.portal.settings = replace(
        offices.portal.settings, backend={"imap": Backend(host="store.internal", port=993)}
    )
    browser = await offices.administrator()
    await offices.account(BOB)
    form = {"label": NASTY, "protocols": "imap", "networks": "192.0.2.0/24, 2001:db8::/32", "life": "30", "idle": ""}
    page = await browser.fill(f"{HERE}/claim-link", **form)
    assert page.status == 200
    assert re.search(r'<code id="secret">[^<]*/claim/[a-z2-9]+</code>', page.text)
    (row,) = [each.row for each in await offices.portal.store.audit.list() if each.row.event is Event.CLAIM_ISSUED]
    assert row.account == BOB
    assert "<script>alert" not in (await browser.get(HERE)).text


@pytest.mark.parametrize(
    ("step", "values", "event"),
    [
        ("claim-link", {"label": "phone"}, Event.CLAIM_ISSUED),
        ("bypass", {"hours": "1"}, Event.CODES_ISSUED),
        ("enrolment-code", {}, Event.CODES_ISSUED),
    ],
)
async def test_a_form_that_comes_twice_hands_out_one(
    offices: Offices, step: str, values: dict[str, str], event: Event
) -> None:
    """The answer that shows it is loaded again: the first one must go on being good, and no second one be made."""
    browser = await offices.administrator()
    await offices.account(BOB)
    form = {**(await browser.get(f"{HERE}/{step}")).form(f"{HERE}/{step}"), **values}
    assert 'id="secret"' in (await browser.post(f"{HERE}/{step}", form)).text
    again = await browser.post(f"{HERE}/{step}", form)
    assert (again.status, 'id="secret"' in again.text) == (409, False)
    assert "This was made already" in again.text
    assert (await offices.portal.events()).count(event) == 1
    assert [code.ended_at for code in await offices.portal.store.codes.list(BOB)] in ([], [None])
    assert 'id="secret"' in (await browser.fill(f"{HERE}/{step}", **values)).text, "another form, another one"


@pytest.mark.parametrize(
    "wrong", [{"networks": "here"}, {"life": "0"}, {"life": "long"}, {"idle": "99999"}, {"label": ""}]
)
async def test_a_claim_link_that_cannot_be_is_refused(offices: Offices, wrong: dict[str, str]) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    page = await browser.fill(f"{HERE}/claim-link", **{"label": "phone", **wrong})
    assert page.status == 400
    assert Event.CLAIM_ISSUED not in await offices.portal.events()


async def test_a_group_and_a_role_are_changed(offices: Offices) -> None:
    offices.portal.settings = replace(offices.portal.settings, policy=Policy(group={"staff": Policy()}))
    browser = await offices.administrator()
    await offices.account(BOB)
    await browser.fill(f"{HERE}/change", group="staff", role="helpdesk", limit="group:staff")
    account = await offices.portal.store.accounts.get(BOB)
    assert account is not None
    assert (account.group, account.role, str(account.role_limit)) == ("staff", Role.HELPDESK, "group:staff")
    assert (await browser.fill(f"{HERE}/change", group="staff", role="owner", limit="planet:mars")).status == 400


async def test_what_is_dangerous_leads_to_a_sign_in_and_back(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    offices.portal.hands.at += 301
    page = await browser.get(f"{HERE}/reset")
    assert (page.status, page.location) == (
        303,
        f"/sign-in/again?next=%2Fadmin%2Faccounts%2F{BOB.replace('@', '%40')}%2Freset",
    )
    token = (await browser.get("/admin")).form()["token"]
    refused = await browser.post(f"{HERE}/reset", {"token": token})
    assert refused.location.startswith("/sign-in/again")
    assert Event.FACTORS_RESET not in await offices.portal.events()
    assert (await browser.get(f"{HERE}/suspend")).status == 200


async def test_a_recovery_code_lets_an_administrator_look_and_do_nothing_dangerous(offices: Offices) -> None:
    await offices.administrator()
    await offices.account(BOB)
    made = recovery.make(1)
    await offices.portal.store.codes.issue(CHIEF, CodeKind.RECOVERY, made, actor=OPERATOR)
    browser = offices.portal.browser()
    await sign_in(browser, recovery.grouped(made.codes[0]), name=CHIEF)
    assert (await browser.get(HERE)).status == 200
    page = await browser.get(f"{HERE}/reset")
    assert page.location.startswith("/sign-in/again")
    await browser.fill(f"{HERE}/suspend")
    assert Event.ACCOUNT_SUSPENDED in await offices.portal.events()


async def test_what_somebody_typed_is_never_markup(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    await app_password(offices, BOB, NASTY)
    await sign_in(offices.portal.browser(), name=NASTY, password="wrong")
    stranger = offices.portal.browser()
    await sign_in(stranger, name=BOB, password="wrong")
    for path in (HERE, "/admin", "/admin/accounts?text=" + "%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "/admin/audit"):
        page = await browser.get(path)
        assert page.status == 200
        assert "<script>alert" not in page.text, path


async def test_a_page_of_no_name_is_none(offices: Offices) -> None:
    browser = await offices.administrator()
    assert (await browser.get("/admin/accounts/nobody@example.org")).status == 400
    await offices.account(BOB)
    for path in ("/admin/accounts/noname", "/admin/accounts/a%20b@example.org", f"{HERE}/nonsense"):
        assert (await browser.get(path)).status == 404, path
