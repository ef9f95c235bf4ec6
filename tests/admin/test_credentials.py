"""Other people's factors, app passwords, grants and sessions, and the record of all that."""

import json
from dataclasses import replace

import pytest

from mailguard.admin import app_passwords, factors, grants, overview, readiness, record, sessions
from mailguard.admin.acting import Acting
from mailguard.admin.app_passwords import Wish
from mailguard.admin.bureau import NotAllowed
from mailguard.admin.readiness import Outcome
from mailguard.auth import recovery
from mailguard.auth.accounts import CodeKind
from mailguard.auth.attempt import Factor, MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.passwords import digests, normalise_app_password
from mailguard.auth.roles import Role
from mailguard.keyring import Purpose
from mailguard.store import ChangeRefused
from mailguard.store.sessions import SessionRow
from mailguard.store.trail import Asked
from tests.admin.conftest import AWAY, CHIEF, FRONT, HOST, Scene
from tests.store.words import ANN, NOON, admitted, app_password, bare, by_code, granted, phone, refused, token

LIVE = SessionRow("s1", ANN, MailProtocol.IMAP, "192.0.2.7", 4, 1, Factor.CODE, "", "", "", "Thunderbird", NOON, NOON)


@pytest.fixture
async def helper(scene: Scene) -> Acting:
    """A helpdesk, and ann with an authenticator."""
    await scene.account(ANN)
    await phone(scene.store)
    return await scene.administrator(HOST, Role.HELPDESK)


async def test_a_bypass_is_the_code_that_was_handed_out(scene: Scene, helper: Acting) -> None:
    handed = await factors.bypass(scene.bureau, helper, ANN, 3600.0)
    (row,) = await factors.codes(scene.bureau, helper, ANN)
    assert (row.kind, row.expires_at, row.may_enrol) == (CodeKind.BYPASS, NOON + 3600.0, False)
    assert row.issued_by == f"administrator:{HOST}"
    assert recovery.find(handed.code, [row]) == row == handed.row
    with pytest.raises(NotAllowed):
        await factors.bypass(scene.bureau, helper, ANN, 3600.0, may_enrol=True)
    for length in (0.0, 3 * 86400.0 + 1):
        with pytest.raises(ChangeRefused, match="three days"):
            await factors.bypass(scene.bureau, helper, ANN, length)


async def test_an_enrolment_code_is_for_whoever_has_no_authenticator(scene: Scene, helper: Acting) -> None:
    with pytest.raises(ChangeRefused, match="has an authenticator"):
        await factors.enrolment_code(scene.bureau, helper, ANN)
    await factors.reset(scene.bureau, scene.operator, ANN)
    handed = await factors.enrolment_code(scene.bureau, helper, ANN)
    assert (handed.row.kind, handed.row.may_enrol) == (CodeKind.ENROLMENT, True)


async def test_an_owner_removes_and_resets(scene: Scene, helper: Acting) -> None:
    chief = await scene.administrator(CHIEF)
    (device,) = await factors.devices(scene.bureau, helper, ANN)
    with pytest.raises(NotAllowed):
        await factors.remove(scene.bureau, helper, ANN, device.id)
    await factors.remove(scene.bureau, chief, ANN, device.id)
    passkey = await token(scene.store)
    assert await factors.passkeys(scene.bureau, helper, ANN) == (passkey,)
    with pytest.raises(NotAllowed):
        await factors.remove_passkey(scene.bureau, helper, ANN, passkey.id)
    await factors.remove_passkey(scene.bureau, chief, ANN, passkey.id)
    account = await scene.store.accounts.get(ANN)
    assert account is not None
    await app_password(scene.store, scene.ring, account)
    await factors.reset(scene.bureau, chief, ANN, app_passwords=True)
    assert [row.revoked_at for row in await app_passwords.seen(scene.bureau, chief, ANN)] == [NOON]


async def test_a_claim_link_is_found_by_its_address_and_kept_short_by_policy(scene: Scene) -> None:
    await scene.account(FRONT, group="staff")
    helper = await scene.administrator(HOST, Role.HELPDESK)
    link = await app_passwords.claim_link(scene.bureau, helper, FRONT, Wish("phone", life=1e9))
    assert link.url.startswith("https://mail.example.org/claim/")
    token = normalise_app_password(link.url.rpartition("/")[2].encode())
    assert token is not None
    assert await scene.store.claims.find(digests(scene.ring, Purpose.CLAIM, token)) == (link.row, FRONT)
    assert (link.row.life, link.row.protocols) == (3600.0, frozenset({MailProtocol.IMAP}))
    mine = await app_passwords.claim_link(scene.bureau, scene.operator, FRONT, Wish("phone", life=1e9))
    assert mine.row.life == 1e9, "an operator says how long"
    wish = Wish("phone", frozenset({MailProtocol.SUBMISSION}))
    with pytest.raises(ChangeRefused, match="submission"):
        await app_passwords.claim_link(scene.bureau, helper, FRONT, wish)
    with pytest.raises(NotAllowed):
        await app_passwords.claim_link(scene.bureau, helper, HOST, Wish("phone"))
    with pytest.raises(ChangeRefused, match="there is no account"):
        await app_passwords.claim_link(scene.bureau, helper, AWAY, Wish("phone"))


async def test_app_passwords_are_revoked(scene: Scene, helper: Acting) -> None:
    account = await scene.store.accounts.get(ANN)
    assert account is not None
    one = await app_password(scene.store, scene.ring, account)
    await app_password(scene.store, scene.ring, account, "another")
    await app_passwords.revoke(scene.bureau, helper, ANN, one.id)
    assert await app_passwords.revoke_all(scene.bureau, helper, ANN) == 1
    assert all(row.revoked_at for row in await app_passwords.seen(scene.bureau, helper, ANN))


async def test_grants_are_seen_and_ended_within_the_limit(scene: Scene, helper: Acting) -> None:
    (device,) = await scene.store.devices.list(ANN)
    revision = await scene.store.revocations.newest()
    admitted(await scene.store.ledger.admit(by_code(scene.ring, device, 101, grant=3600.0, revision=revision)))
    stranger = await scene.administrator(CHIEF, Role.OWNER, "group:staff")
    assert await grants.live(scene.bureau, stranger) == ()
    assert await grants.live(scene.bureau, stranger, ANN) == ()
    (row,) = await grants.live(scene.bureau, helper)
    with pytest.raises(NotAllowed):
        await grants.revoke(scene.bureau, stranger, row.grant.id)
    assert await grants.revoke(scene.bureau, helper, row.grant.id) == ANN
    assert await grants.live(scene.bureau, helper, ANN) == ()
    with pytest.raises(ChangeRefused, match="there is no grant"):
        await grants.revoke(scene.bureau, helper, row.grant.id)


async def test_sessions_are_seen_and_ended_within_the_limit(scene: Scene, helper: Acting) -> None:
    await scene.store.sessions.opened([LIVE, replace(LIVE, id="s2", account=AWAY)])
    await scene.account(AWAY)
    stranger = await scene.administrator(CHIEF, Role.OWNER, "domain:example.net")
    assert [row.id for row in await sessions.live(scene.bureau, stranger)] == ["s2"]
    assert await sessions.live(scene.bureau, stranger, ANN) == ()
    assert [row.id for row in await sessions.live(scene.bureau, helper, ANN)] == ["s1"]
    for act in (
        sessions.end(scene.bureau, stranger, "s1"),
        sessions.end_of_account(scene.bureau, stranger, ANN),
        sessions.end_all(scene.bureau, stranger),
        sessions.end_all(scene.bureau, helper),
    ):
        with pytest.raises(NotAllowed):
            await act
    await sessions.end(scene.bureau, helper, "s1")
    await sessions.end_of_account(scene.bureau, stranger, AWAY)
    await sessions.end_all(scene.bureau, scene.operator)
    ended = [row.target for row in await scene.store.revocations.after(0) if row.kind in ("session", "all")]
    assert ended == ["s1", ""]
    with pytest.raises(ChangeRefused, match="there is no session"):
        await sessions.end(scene.bureau, scene.operator, "s3")
    with pytest.raises(ChangeRefused, match="sign in again"):  # whoever had everybody go is gone too
        await sessions.end(scene.bureau, helper, "s1")


async def test_the_record_is_paged_filtered_and_cut_to_the_limit(scene: Scene, helper: Acting) -> None:
    await scene.account(FRONT, group="staff")
    for number in range(3):
        await scene.store.audit.refused(refused(FRONT, at=NOON + number, reason="code-missing"))
    await scene.store.audit.refused(refused("gone@example.net", at=NOON))
    everything = await record.page(scene.bureau, helper, Asked())
    assert [row.seq for row in everything.rows] == sorted((row.seq for row in everything.rows), reverse=True)
    assert everything.before is None
    seen, before = [], None
    for _ in range(10):
        leaf = await record.page(
            scene.bureau, helper, Asked(events=frozenset({Event.LOGIN_REFUSED})), before=before, size=2
        )
        seen += [row.row.account for row in leaf.rows]
        before = leaf.before
        if before is None:
            break
    assert seen == ["gone@example.net", FRONT, FRONT, FRONT]
    staff = await scene.administrator(CHIEF, Role.AUDITOR, "group:staff")
    assert {row.row.account for row in (await record.page(scene.bureau, staff, Asked())).rows} == {FRONT}
    net = await scene.administrator(AWAY, Role.AUDITOR, "domain:example.net")
    leaf = await record.page(scene.bureau, net, Asked())
    assert {row.row.account for row in leaf.rows} == {"gone@example.net", AWAY}, "of who is gone, too"
    for asked, count in (
        (Asked(account=FRONT, reason="code-missing"), 3),
        (Asked(account=FRONT, reason="replay"), 0),
        (Asked(account=FRONT, since=NOON + 1), 2),
        (Asked(account=FRONT, events=frozenset({Event.LOGIN_REFUSED}), until=NOON + 1), 1),
        (Asked(address="192.0.2.7", reason="code-missing"), 3),
        (Asked(address="192.0.2.8"), 0),
        (Asked(actor=f"administrator:{HOST}"), 0),
    ):
        assert len((await record.page(scene.bureau, helper, asked)).rows) == count, asked
        assert sum([len(lines) async for lines in record.export(scene.bureau, helper, asked)]) == count, asked
    lines = [line async for page in record.export(scene.bureau, net, Asked()) for line in page]
    assert json.loads(json.dumps(lines))[0]["account"] == "gone@example.net"


async def test_who_is_not_ready_is_told_within_the_limit(scene: Scene, helper: Acting) -> None:
    await scene.account(AWAY)
    await scene.store.ledger.admit(bare(None))
    row = granted(AWAY, factor=Factor.PASSWORD)
    await scene.store.audit.refused(row)
    (found,) = await readiness.unready(scene.bureau, helper, NOON - 1)
    assert (found.account.name, found.outcome) == (AWAY, Outcome.LOCKED_OUT)
    assert found.seen is not None
    assert found.seen.passed == 1
    staff = await scene.administrator(CHIEF, Role.AUDITOR, "group:staff")
    assert await readiness.unready(scene.bureau, staff, NOON - 1) == ()


async def test_the_overview_adds_up_within_the_limit(scene: Scene, helper: Acting) -> None:
    await scene.account(FRONT, group="staff")
    await scene.store.sessions.opened([LIVE, replace(LIVE, id="s2", account=FRONT)])
    for name, at in ((ANN, NOON), (FRONT, NOON), (FRONT, NOON - 86400), (FRONT, NOON - 7 * 86400)):
        await scene.store.audit.refused(granted(name, at=at, factor=Factor.CODE))
    for _ in range(2):
        await scene.store.audit.refused(refused(FRONT, reason="code-missing"))
    today = int(NOON // 86400)
    seen = await overview.overview(scene.bureau, helper)
    assert seen.sign_ins == {(today, "code"): 2, (today - 1, "code"): 1}
    assert seen.refusals == {"code-missing": 2}
    assert (seen.sessions, seen.people, seen.enrolled) == ({"imap": 2}, 3, 1)
    assert (seen.suspended, seen.failing, seen.whole) == (0, 1, True)
    staff = await scene.administrator(CHIEF, Role.AUDITOR, "group:staff")
    seen = await overview.overview(scene.bureau, staff)
    assert (seen.sign_ins[today, "code"], seen.sessions, seen.people, seen.enrolled) == (1, {"imap": 1}, 1, 0)
