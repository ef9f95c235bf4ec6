"""Accounts as administrators find, make and change them."""

import pytest

from mailguard.admin import accounts
from mailguard.admin.bureau import NotAllowed
from mailguard.auth.accounts import AccountKind, AccountName
from mailguard.auth.roles import EVERYTHING, Role, RoleLimit
from mailguard.store import ChangeRefused
from mailguard.store.search import Wanted
from tests.admin.conftest import AWAY, CHIEF, FRONT, HOST, Scene
from tests.store.words import ANN, BOB, NOON, OPERATOR, phone, refused


async def found(scene: Scene, wanted: Wanted, acting: object = None) -> list[str]:
    page = await accounts.search(scene.bureau, acting or scene.operator, wanted)  # type: ignore[arg-type]
    assert page.total == len(page.lines)
    return [line.account.name for line in page.lines]


async def test_every_filter_finds_its_own(scene: Scene) -> None:
    await scene.account(ANN)
    await phone(scene.store)
    await scene.account(FRONT, group="staff")
    await scene.account(CHIEF, Role.OWNER)
    await scene.store.accounts.add(BOB, actor=OPERATOR, kind=AccountKind.SHARED)
    await scene.store.accounts.suspend(BOB, actor=OPERATOR)
    await scene.store.audit.refused(refused(FRONT, at=NOON - 3600))
    await scene.store.audit.refused(refused(ANN, at=NOON - 3 * 86400))
    assert await found(scene, Wanted()) == [ANN, BOB, CHIEF, FRONT]
    assert await found(scene, Wanted(text="RON")) == [FRONT]
    assert await found(scene, Wanted(text="%")) == []
    assert await found(scene, Wanted(group="staff")) == [FRONT]
    assert await found(scene, Wanted(group="")) == [ANN, BOB, CHIEF]
    assert await found(scene, Wanted(no_factor=True)) == [BOB, CHIEF, FRONT]
    assert await found(scene, Wanted(failing=True)) == [FRONT]
    assert await found(scene, Wanted(suspended=True)) == [BOB]
    assert await found(scene, Wanted(privileged=True)) == [CHIEF]
    assert await found(scene, Wanted(people=True, no_factor=True)) == [CHIEF, FRONT]


async def test_pages_follow_each_other_and_end(scene: Scene) -> None:
    names = [AccountName(f"a{number}@example.org") for number in range(5)]
    for name in names:
        await scene.account(name)
    seen, after = [], None
    for _ in range(3):
        page = await accounts.search(scene.bureau, scene.operator, Wanted(), after=after, size=2)
        seen += [(line.account.name, line.factor, line.failing) for line in page.lines]
        assert page.total == 5
        after = page.after
    assert seen == [(name, False, False) for name in names]
    assert after is None


@pytest.mark.parametrize(("limit", "seen"), [("group:staff", [FRONT]), ("domain:example.net", [AWAY])])
async def test_nobody_sees_beyond_their_limit(scene: Scene, limit: str, seen: list[str]) -> None:
    await scene.account(FRONT, group="staff")
    await scene.account(AWAY)
    host = await scene.administrator(HOST, Role.AUDITOR, limit)
    assert await found(scene, Wanted(), host) == seen


async def test_an_underscore_in_a_domain_is_no_wildcard(scene: Scene) -> None:
    await scene.account(AWAY)
    host = await scene.administrator(HOST, Role.AUDITOR, "domain:ample.net")
    assert await found(scene, Wanted(), host) == []


async def test_an_owner_of_a_group_makes_accounts_of_it_alone(scene: Scene) -> None:
    host = await scene.administrator(HOST, Role.OWNER, "group:staff")
    with pytest.raises(NotAllowed):
        await accounts.add(scene.bureau, host, ANN)
    assert (await accounts.add(scene.bureau, host, ANN, group="staff")).group == "staff"
    with pytest.raises(NotAllowed):
        await accounts.change(scene.bureau, host, ANN, group="")
    staff = RoleLimit.parse("group:staff")
    with pytest.raises(NotAllowed, match="reach further"):
        await accounts.add(scene.bureau, host, BOB, group="staff", role=Role.AUDITOR)
    with pytest.raises(NotAllowed, match="reach further"):
        await accounts.change(scene.bureau, host, ANN, role=Role.AUDITOR)
    assert (await accounts.change(scene.bureau, host, ANN, role=Role.HELPDESK, role_limit=staff)).role_limit == staff
    with pytest.raises(NotAllowed, match="reach further"):
        await accounts.change(scene.bureau, host, ANN, role_limit=EVERYTHING)
    assert await scene.store.accounts.get(BOB) is None


async def test_a_group_that_is_not_configured_is_refused(scene: Scene) -> None:
    for act in (
        accounts.add(scene.bureau, scene.operator, ANN, group="stuff"),
        accounts.change(scene.bureau, scene.operator, ANN, group="stuff"),
    ):
        with pytest.raises(ChangeRefused, match=r"write \[policy.group.stuff\]"):
            await act


async def test_a_list_makes_whoever_is_not_there_yet(scene: Scene) -> None:
    await scene.account(ANN)
    lines = ["# the practice", "", "ann, staff", "Bob@Example.org", f"{FRONT},staff"]
    done = await accounts.bring(scene.bureau, scene.operator, lines)
    assert (done.added, done.there) == ((BOB, FRONT), (ANN,))
    assert [(each.name, each.group) for each in await scene.store.accounts.list()] == [
        (ANN, ""), (BOB, ""), (FRONT, "staff"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong", ["a b@example.org", "bob,stuff", "bob,staff,owner", "bob\nbob,staff", "\n".join(map(str, range(5001)))]
)
async def test_a_list_with_a_wrong_line_makes_nobody(scene: Scene, wrong: str) -> None:
    with pytest.raises(ChangeRefused, match="line"):
        await accounts.bring(scene.bureau, scene.operator, ["ann", *wrong.splitlines()])
    assert await scene.store.accounts.list() == ()


async def test_a_helpdesk_imports_nobody(scene: Scene) -> None:
    helper = await scene.administrator(HOST, Role.HELPDESK)
    with pytest.raises(NotAllowed):
        await accounts.bring(scene.bureau, helper, ["ann"])


async def test_an_administrator_resumes_unlocks_and_removes(scene: Scene) -> None:
    chief = await scene.administrator(CHIEF)
    await scene.account(ANN)
    await accounts.suspend(scene.bureau, chief, ANN)
    await accounts.resume(scene.bureau, chief, ANN)
    await accounts.unlock(scene.bureau, chief, AWAY)
    assert (await accounts.guesses(scene.bureau, chief, ANN)).in_a_row == 0
    await accounts.remove(scene.bureau, chief, ANN)
    assert await scene.store.accounts.get(ANN) is None
    assert [event for event, *_ in await scene.recorded()][-4:] == [
        "account-suspended", "account-resumed", "account-unlocked", "account-removed",
    ]  # fmt: skip
