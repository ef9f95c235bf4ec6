"""Logins by app password where the store wants users' own passwords: on real records, with a directory that changes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.auth import vault
from mailguard.auth.attempt import Admission, Factor, Reason, Refused
from mailguard.auth.decision import Door
from mailguard.auth.events import Event
from mailguard.auth.passwords import generate_app_password
from mailguard.auth.ports import Shut
from mailguard.keyring import Keyring
from mailguard.proxy.turns import Turns
from mailguard.secret import Secret
from mailguard.store import Store
from mailguard.store.vault import RETRY_SECONDS
from tests.auth.test_authenticator import ANN, AWAY, HOME, MASTER, OWN, PASSWORD, Directory, Hands, Scene
from tests.store.words import sql

CHANGED = "battery staple"


@pytest.fixture
async def scene(tmp_path: Path, ring: Keyring) -> AsyncIterator[Scene]:
    hands = Hands()
    store = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", ring, now=hands.now)
    yield Scene(store, ring, hands, Directory())
    await store.close()


async def events(scene: Scene) -> list[Event]:
    return [entry.row.event for entry in await scene.store.audit.list(ANN)]


async def told(scene: Scene) -> tuple[Event, str, str]:
    row = (await scene.store.audit.list(limit=1))[0].row
    return row.event, row.reason, row.detail


def entries(tmp_path: Path) -> list[tuple[object, ...]]:
    return sql(tmp_path / "mailguard.db", "SELECT sealed, refused_at FROM vault")


async def test_the_store_is_asked_with_what_lies_in_the_vault(scene: Scene) -> None:
    await scene.enrol()
    secret, row = await scene.app_password(PASSWORD)
    granted = await scene.decided(secret.upper(), door=OWN)
    assert isinstance(granted, Admission)
    assert (granted.factor, granted.credential) == (Factor.APP_PASSWORD, row.id)
    assert scene.directory.asked == [(ANN, PASSWORD.encode())]
    assert await scene.outcome(secret, door=MASTER) is Factor.APP_PASSWORD
    assert len(scene.directory.asked) == 1


async def test_a_dead_one_never_reaches_the_store(scene: Scene) -> None:
    secret, row = await scene.app_password(PASSWORD)
    assert await scene.outcome(secret, name="bob", door=OWN) is Reason.APP_PASSWORD_OF_ANOTHER
    await scene.store.app_passwords.revoke(ANN, row.id, actor="operator:root")
    assert await scene.outcome(secret, door=OWN) is Reason.APP_PASSWORD_REVOKED
    assert scene.directory.asked == []


async def test_one_of_an_older_version_is_to_be_made_anew(scene: Scene) -> None:
    secret, _ = await scene.app_password(public=None)
    assert await scene.outcome(secret, door=OWN) is Reason.APP_PASSWORD_NEEDS_VAULT
    assert scene.directory.asked == []


async def test_an_empty_vault_waits_for_a_sign_in(scene: Scene) -> None:
    """Issued while every login was by the master, or by a claim link before its owner had signed in."""
    await scene.enrol()
    secret, _ = await scene.app_password()
    assert await scene.outcome(secret, door=OWN) is Reason.VAULT_STALE
    assert await told(scene) == (Event.LOGIN_DEFERRED, "vault-stale", Shut.EMPTY.value)
    assert await scene.outcome(PASSWORD + scene.code(), door=OWN) is Factor.CODE
    assert await scene.outcome(secret, door=OWN) is Factor.APP_PASSWORD


@pytest.mark.parametrize("door", [OWN, MASTER], ids=["own", "master"])
async def test_one_sign_in_with_the_new_password_brings_every_device_back(scene: Scene, door: Door) -> None:
    """By either door: where some protocol's login is `own`, what the identity listener takes is sealed as well."""
    await scene.enrol()
    devices = [(await scene.app_password(PASSWORD))[0] for _ in range(5)]
    scene.directory.passwords[ANN] = CHANGED
    assert {await scene.outcome(device, door=OWN) for device in devices} == {Reason.VAULT_STALE}
    assert await scene.outcome("wrong" + scene.code(), door=door) is Reason.WRONG_PASSWORD
    assert {await scene.outcome(device, door=OWN) for device in devices} == {Reason.VAULT_STALE}
    assert await scene.outcome(CHANGED + scene.code(), door=door) is Factor.CODE
    assert {await scene.outcome(device, door=OWN) for device in devices} == {Factor.APP_PASSWORD}
    assert (await events(scene)).count(Event.VAULT_REFUSED) == 1


async def test_a_bare_password_that_passes_renews_too(scene: Scene) -> None:
    secret, _ = await scene.app_password(PASSWORD)
    scene.directory.passwords[ANN] = CHANGED
    assert await scene.outcome(secret, door=OWN) is Reason.VAULT_STALE
    assert await scene.outcome(CHANGED, door=OWN) is Factor.PASSWORD
    assert await scene.outcome(secret, door=OWN) is Factor.APP_PASSWORD


async def test_a_right_password_with_a_wrong_code_renews_nothing(scene: Scene) -> None:
    await scene.enrol()
    secret, _ = await scene.app_password(PASSWORD)
    scene.directory.passwords[ANN] = CHANGED
    await scene.outcome(secret, door=OWN)
    assert await scene.outcome(CHANGED + "000000", door=OWN) is Reason.CODE_WRONG
    scene.hands.at += RETRY_SECONDS
    assert await scene.outcome(secret, door=OWN) is Reason.VAULT_STALE


async def test_where_no_leg_opens_with_it_no_store_password_is_kept(scene: Scene, tmp_path: Path) -> None:
    await scene.enrol()
    await scene.app_password()
    login, directory = scene.login(PASSWORD + scene.code())
    login._by = replace(login._by, seals=False)
    assert isinstance(await login.decide(directory), Admission)
    assert entries(tmp_path) == []


async def test_a_refused_password_is_offered_once_in_a_quarter_of_an_hour_by_all_devices(
    scene: Scene, tmp_path: Path
) -> None:
    devices = [(await scene.app_password(PASSWORD))[0] for _ in range(5)]
    before = [sealed for sealed, _ in entries(tmp_path)]
    scene.directory.passwords[ANN] = CHANGED
    for minute in range(60):
        scene.hands.at += 60
        for number, device in enumerate(devices):
            origin = AWAY if number % 2 else HOME
            assert await scene.outcome(device, door=OWN, origin=origin) is Reason.VAULT_STALE, minute
    assert len(scene.directory.asked) == 4
    assert [sealed for sealed, _ in entries(tmp_path)] == before
    assert (await events(scene)).count(Event.VAULT_REFUSED) == 1
    assert await told(scene) == (Event.LOGIN_DEFERRED, "vault-stale", Shut.RESTS.value)


async def test_the_old_password_set_again_at_the_store_is_found_out(scene: Scene, tmp_path: Path) -> None:
    secret, _ = await scene.app_password(PASSWORD)
    other, _ = await scene.app_password(PASSWORD)
    scene.directory.passwords[ANN] = CHANGED
    assert await scene.outcome(secret, door=OWN) is Reason.VAULT_STALE
    scene.directory.passwords[ANN] = PASSWORD
    assert await scene.outcome(secret, door=OWN) is Reason.VAULT_STALE
    scene.hands.at += RETRY_SECONDS
    assert await scene.outcome(secret, door=OWN) is Factor.APP_PASSWORD
    assert await scene.outcome(other, door=OWN) is Factor.APP_PASSWORD
    assert [refused for _, refused in entries(tmp_path)] == [None, None]


async def test_trouble_of_the_store_marks_nothing_and_gives_the_question_back(scene: Scene, tmp_path: Path) -> None:
    secret, _ = await scene.app_password(PASSWORD)
    scene.directory.down = True
    assert await scene.outcome(secret, door=OWN) is Reason.BACKEND_UNAVAILABLE
    assert [refused for _, refused in entries(tmp_path)] == [None]
    scene.directory.down, scene.directory.passwords[ANN] = False, CHANGED
    assert await scene.outcome(secret, door=OWN) is Reason.VAULT_STALE
    scene.hands.at += RETRY_SECONDS
    scene.directory.down = True
    assert await scene.outcome(secret, door=OWN) is Reason.BACKEND_UNAVAILABLE
    scene.directory.down, scene.directory.passwords[ANN] = False, PASSWORD
    assert await scene.outcome(secret, door=OWN) is Factor.APP_PASSWORD


@pytest.mark.parametrize("back", [60.0, 7 * 86400.0])
async def test_a_clock_that_went_back_neither_hammers_nor_silences(scene: Scene, back: float) -> None:
    secret, _ = await scene.app_password(PASSWORD)
    scene.directory.passwords[ANN] = CHANGED
    await scene.outcome(secret, door=OWN)
    scene.hands.at -= back
    for _ in range(3):
        assert await scene.outcome(secret, door=OWN) is Reason.VAULT_STALE
    assert len(scene.directory.asked) == (1 if back < RETRY_SECONDS else 2)


async def test_many_devices_at_once_find_out_by_one_question(scene: Scene) -> None:
    """Each with the same old password: a directory would have locked its account before the first no was marked."""
    devices = [(await scene.app_password(PASSWORD))[0] for _ in range(5)]
    scene.directory.passwords[ANN] = CHANGED
    at_once = [scene.outcome(device, door=OWN, origin=origin) for device in devices for origin in (AWAY, HOME)]
    assert set(await asyncio.gather(*at_once)) == {Reason.VAULT_STALE}
    assert len(scene.directory.asked) == 1
    assert len(scene.turns) == 0


async def test_many_devices_at_once_are_in_together_once_the_first_has_passed(scene: Scene) -> None:
    secret, _ = await scene.app_password(PASSWORD)
    scene.directory.answers.clear()
    logins = asyncio.gather(*(scene.outcome(secret, door=OWN) for _ in range(12)))
    async with asyncio.timeout(5):
        while not scene.directory.asked:  # noqa: ASYNC110  (a database in between holds no event)
            await asyncio.sleep(0.01)
    assert len(scene.directory.asked) == 1
    scene.directory.answers.set()
    assert set(await logins) == {Factor.APP_PASSWORD}


async def test_two_processes_share_one_question(scene: Scene, tmp_path: Path) -> None:
    """The mark is in the records; the claim of the next question is one conditional update."""
    secret, row = await scene.app_password(PASSWORD)
    scene.directory.passwords[ANN] = CHANGED
    await scene.outcome(secret, door=OWN)
    other = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", scene.ring, now=scene.hands.now)
    try:
        for _ in range(2):  # the process that had the question may have been killed over it: the next one comes in time
            scene.hands.at += RETRY_SECONDS
            ledgers = [scene.store.ledger, other.ledger] * 4
            claims = await asyncio.gather(*(ledger.vault_entry(ANN, row, scene.hands.at) for ledger in ledgers))
            assert sum(not isinstance(claim, Shut) for claim in claims) == 1
    finally:
        await other.close()


async def test_a_sign_in_while_the_store_thinks_is_not_undone_by_its_no(scene: Scene, tmp_path: Path) -> None:
    secret, _ = await scene.app_password(PASSWORD)
    scene.directory.passwords[ANN] = CHANGED
    scene.directory.answers.clear()
    login = asyncio.gather(scene.outcome(secret, door=OWN))
    async with asyncio.timeout(5):
        while not scene.directory.asked:  # noqa: ASYNC110  (a database in between holds no event)
            await asyncio.sleep(0.01)
    await scene.store.vault.renew(ANN, Secret(CHANGED.encode()), actor="operator:root")
    scene.directory.answers.set()
    (outcome,) = await login
    assert outcome is Reason.VAULT_STALE
    assert [refused for _, refused in entries(tmp_path)] == [None]
    assert Event.VAULT_REFUSED not in await events(scene)
    assert await scene.outcome(secret, door=OWN) is Factor.APP_PASSWORD


async def test_two_processes_that_asked_at_once_record_one_refusal(scene: Scene) -> None:
    """Neither knew of the other's question."""
    secret, _ = await scene.app_password(PASSWORD)
    scene.directory.passwords[ANN] = CHANGED
    scene.directory.answers.clear()
    other = replace(scene, turns=Turns())
    logins = asyncio.gather(scene.outcome(secret, door=OWN), other.outcome(secret, door=OWN))
    async with asyncio.timeout(5):
        while len(scene.directory.asked) < 2:  # noqa: ASYNC110  (a database in between holds no event)
            await asyncio.sleep(0.01)
    scene.directory.answers.set()
    assert set(await logins) == {Reason.VAULT_STALE}
    assert (await events(scene)).count(Event.VAULT_REFUSED) == 1


async def test_an_altered_entry_raises_an_alarm_and_the_next_sign_in_mends_it(scene: Scene, tmp_path: Path) -> None:
    secret, row = await scene.app_password(PASSWORD)
    sql(tmp_path / "mailguard.db", "UPDATE vault SET sealed = zeroblob(60)")
    assert await scene.outcome(secret, door=OWN) is Reason.VAULT_STALE
    alarm = next(entry.row for entry in await scene.store.audit.list(ANN) if entry.row.event is Event.ROW_ALTERED)
    assert alarm.detail == f"row {row.id} of vault was changed outside mailguard"
    assert scene.directory.asked == []
    assert await scene.outcome(PASSWORD, door=OWN) is Factor.PASSWORD
    assert await scene.outcome(secret, door=OWN) is Factor.APP_PASSWORD


async def test_what_is_sealed_to_another_public_half_does_not_open(scene: Scene) -> None:
    other = vault.public_half(generate_app_password(), "another")
    secret, _ = await scene.app_password(PASSWORD, public=other)
    refused = await scene.decided(secret, door=OWN)
    assert isinstance(refused, Refused)
    assert (refused.reason, "does not open" in refused.detail) == (Reason.VAULT_STALE, True)
    assert scene.directory.asked == []


async def test_neither_the_record_nor_a_value_shows_the_store_password(scene: Scene) -> None:
    secret, row = await scene.app_password(PASSWORD)
    scene.directory.passwords[ANN] = CHANGED
    refused = await scene.decided(secret, door=OWN)
    entry = await scene.store.ledger.vault_entry(ANN, row, scene.hands.at + RETRY_SECONDS)
    login, directory = scene.login(CHANGED, door=OWN)
    await login.decide(directory)
    shown = [repr(refused), repr(entry), repr(login._proven), *map(repr, await scene.store.audit.list())]
    assert not [text for text in shown if PASSWORD in text or CHANGED in text]
