"""API keys: they do no more than their maker may at that moment, and end with them."""

import pytest

from mailguard.admin import accounts, app_passwords, keys, sessions
from mailguard.admin.acting import Acting, Means
from mailguard.admin.app_passwords import Wish
from mailguard.admin.bureau import NotAllowed
from mailguard.admin.keys import Issued
from mailguard.auth.api_keys import LONGEST_SECONDS
from mailguard.auth.events import Event
from mailguard.auth.roles import EVERYTHING, Role, RoleLimit, Scope
from mailguard.auth.standing import FRESH_SECONDS
from mailguard.identity.entry import Seen, Standing
from mailguard.identity.plan import plan
from mailguard.keyring.ring import SETTLED_SECONDS
from mailguard.secret import Secret
from mailguard.store import ChangeRefused
from mailguard.store.errors import FreshNeeded
from tests.admin.conftest import CHIEF, FRONT, HOST, Scene
from tests.store.words import ANN, ELSEWHERE, HOME, NOON, OPERATOR

ALL = frozenset(Scope)
STAFF = RoleLimit.parse("group:staff")


async def made(scene: Scene, by: Acting, role: Role = Role.OWNER, **how: object) -> Issued:
    wanted = {"seconds": 3600.0, "scopes": ALL, "role": role, **how}
    return await keys.issue(scene.bureau, by, "report", **wanted)  # type: ignore[arg-type]  # passed on as it is


async def known(scene: Scene, issued: Issued) -> Acting | None:
    return await keys.recognise(scene.bureau, issued.secret, HOME)


async def test_a_program_acts_by_a_key_of_an_operator(scene: Scene) -> None:
    issued = await made(scene, scene.operator, scopes=frozenset({Scope.REVOKE}))
    assert issued.row.seen_by_operator
    program = await known(scene, issued)
    assert program is not None
    assert (program.means, program.actor, program.role) == (Means.API_KEY, f"api-key:{issued.row.id}", Role.OWNER)
    await scene.account(ANN)
    await sessions.end_of_account(scene.bureau, program, ANN)
    assert (await scene.recorded())[-1] == (Event.SESSION_END_ASKED, ANN, program.actor, "")
    with pytest.raises(NotAllowed, match="scope"):
        await accounts.get(scene.bureau, program, ANN)
    with pytest.raises(NotAllowed, match="scope"):
        await app_passwords.claim_link(scene.bureau, program, ANN, Wish("phone"))


async def test_only_the_key_itself_is_one(scene: Scene) -> None:
    issued = await made(scene, scene.operator)
    text = issued.secret.reveal()
    for wrong in (b"", text[4:], text.upper(), text + b" ", b"mgk_" + b"a" * 28):
        assert await keys.recognise(scene.bureau, Secret(wrong), HOME) is None
    await known(scene, issued)
    files = [file.read_bytes() for file in scene.store._path.parent.iterdir()]
    assert not any(text in content for content in files)


async def test_a_key_ends_when_it_is_told_to(scene: Scene) -> None:
    issued, other = await made(scene, scene.operator), await made(scene, scene.operator)
    program = await known(scene, issued)
    assert program is not None
    await keys.revoke(scene.bureau, scene.operator, issued.row.id)
    await keys.revoke(scene.bureau, scene.operator, issued.row.id)
    assert await known(scene, issued) is None
    with pytest.raises(ChangeRefused, match="has ended"):  # one that was recognised before, too
        await accounts.unlock(scene.bureau, program, ANN)
    scene.clock.at += 3600.0
    assert await known(scene, other) is None
    events = [event for event, *_ in await scene.recorded()]
    assert [events.count(each) for each in (Event.API_KEY_ISSUED, Event.API_KEY_REVOKED)] == [2, 1]
    with pytest.raises(ChangeRefused, match="there is no API key"):
        await keys.revoke(scene.bureau, scene.operator, "nothere")


@pytest.mark.parametrize("how", [{"seconds": 0.0}, {"seconds": LONGEST_SECONDS + 1}, {"scopes": frozenset()}])
async def test_what_is_no_key_to_make(scene: Scene, how: dict[str, object]) -> None:
    with pytest.raises(ChangeRefused):
        await made(scene, scene.operator, **how)  # type: ignore[arg-type]  # passed on as it is
    with pytest.raises(ChangeRefused, match="role"):
        await made(scene, scene.operator, Role.NONE)
    with pytest.raises(ChangeRefused, match="label"):
        await keys.issue(scene.bureau, scene.operator, "", seconds=1.0, scopes=ALL, role=Role.OWNER)
    assert await keys.seen(scene.bureau, scene.operator) == ()


async def test_nobody_makes_a_key_that_reaches_further_than_they_do(scene: Scene) -> None:
    host = await scene.administrator(HOST, Role.OWNER, "group:staff")
    for limit in (EVERYTHING, RoleLimit.parse("domain:example.org")):
        with pytest.raises(NotAllowed, match="reach further"):
            await made(scene, host, Role.AUDITOR, limit=limit)
    assert (await made(scene, host)).row.limit == STAFF
    helper = await scene.administrator(FRONT, Role.HELPDESK)
    with pytest.raises(NotAllowed):
        await made(scene, helper, Role.AUDITOR)
    scene.clock.at += FRESH_SECONDS
    with pytest.raises(FreshNeeded):
        await made(scene, host)


async def test_a_key_makes_no_keys_and_gives_no_roles(scene: Scene) -> None:
    program = await known(scene, await made(scene, scene.operator))
    assert program is not None
    await scene.account(ANN)
    with pytest.raises(NotAllowed, match="people who signed in"):
        await made(scene, program)
    with pytest.raises(NotAllowed, match="people who signed in"):
        await accounts.change(scene.bureau, program, ANN, role=Role.AUDITOR)


async def test_a_key_does_not_act_on_its_maker(scene: Scene) -> None:
    chief = await scene.administrator(CHIEF)
    program = await known(scene, await made(scene, chief))
    assert program is not None
    with pytest.raises(NotAllowed, match="their own account"):
        await accounts.unlock(scene.bureau, program, CHIEF)


async def test_what_its_maker_lost_a_key_has_lost(scene: Scene) -> None:
    chief = await scene.administrator(CHIEF)
    everything, staff, net = (
        await made(scene, chief),
        await made(scene, chief, limit=STAFF),
        await made(scene, chief, limit=RoleLimit.parse("domain:example.net")),
    )
    before = await known(scene, everything)
    assert before is not None
    await scene.account(ANN)
    await scene.store.accounts.change(CHIEF, actor=OPERATOR, role=Role.HELPDESK, role_limit=STAFF)
    for issued in (everything, staff):
        program = await known(scene, issued)
        assert program is not None
        assert (program.role, program.limit) == (Role.HELPDESK, STAFF)
    assert await known(scene, net) is None
    with pytest.raises(NotAllowed):
        await accounts.unlock(scene.bureau, before, ANN)


@pytest.mark.parametrize("meanwhile", ["demoted", "suspended", "removed", "gone"])
async def test_keys_end_with_whoever_made_them_for_good(scene: Scene, meanwhile: str) -> None:
    chief = await scene.administrator(CHIEF)
    issued, of_operator = await made(scene, chief), await made(scene, scene.operator)
    records = scene.store.accounts
    match meanwhile:
        case "demoted":
            await records.change(CHIEF, actor=OPERATOR, role=Role.NONE)
            await records.change(CHIEF, actor=OPERATOR, role=Role.OWNER)
        case "suspended":
            await records.suspend(CHIEF, actor=OPERATOR)
            await records.resume(CHIEF, actor=OPERATOR)
        case "removed":
            await records.remove(CHIEF, actor=OPERATOR)
        case _:
            known_here = await scene.store.rechecks.known()
            for change in plan(known_here, {CHIEF: Seen(Standing.GONE)}).changes:
                await scene.store.rechecks.settle(change, actor="system")
    assert await known(scene, issued) is None
    assert (Event.API_KEY_REVOKED, CHIEF) in [(event, name) for event, name, *_ in await scene.recorded()]
    assert await known(scene, of_operator) is not None


async def test_whoever_reaches_a_part_sees_and_ends_their_own_keys_alone(scene: Scene) -> None:
    host = await scene.administrator(HOST, Role.OWNER, "group:staff")
    mine, other = await made(scene, host), await made(scene, scene.operator)
    assert [key.id for key in await keys.seen(scene.bureau, host)] == [mine.row.id]
    with pytest.raises(ChangeRefused, match="there is no API key"):
        await keys.revoke(scene.bureau, host, other.row.id)
    await keys.revoke(scene.bureau, host, mine.row.id)
    assert await known(scene, mine) is None


async def test_the_last_use_is_noted_once_a_minute_and_the_first_is_recorded(scene: Scene) -> None:
    issued = await made(scene, scene.operator)
    for seconds, origin in ((0, HOME), (59, ELSEWHERE), (1, ELSEWHERE)):
        scene.clock.at += seconds
        await keys.recognise(scene.bureau, issued.secret, origin)
        (row,) = await keys.seen(scene.bureau, scene.operator)
        late = scene.clock.at >= NOON + 60
        expected = (NOON + 60, ELSEWHERE) if late else (NOON, HOME)
        assert (row.last_used_at, row.last_used_from) == (expected[0], str(expected[1].address))
    assert [event for event, *_ in await scene.recorded()].count(Event.API_KEY_FIRST_USED) == 1


async def test_a_key_outlives_a_rotation_and_holds_up_the_retirement_until_it_is_used(scene: Scene) -> None:
    issued, old = await made(scene, scene.operator, seconds=LONGEST_SECONDS), scene.ring.newest.id
    dead = await made(scene, scene.operator)
    await keys.revoke(scene.bureau, scene.operator, dead.row.id)
    file = scene.store._path.with_name("keys.toml")
    await scene.store.keys.rotate(file, actor=OPERATOR)
    scene.clock.at = scene.ring.newest.created.timestamp() + SETTLED_SECONDS
    with pytest.raises(ChangeRefused, match="1 API keys were not used"):
        await scene.store.keys.retire(file, old, actor=OPERATOR)
    assert await known(scene, issued) is not None
    await scene.store.keys.retire(file, old, actor=OPERATOR)
    assert await known(scene, issued) is not None
    assert [key.id for key in await keys.seen(scene.bureau, scene.operator)] == [issued.row.id]
