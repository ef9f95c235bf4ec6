"""Our own records as the identity source."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import argon2
import pytest

from mailguard import keyring
from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Reason, Verdict
from mailguard.identity import local
from mailguard.identity.local import DECOY, LocalIdentity, hashed, is_hash_of
from mailguard.secret import Secret
from mailguard.store import Store

ANN = AccountName("ann@example.org")
STRANGER = AccountName("stranger@example.org")
OPERATOR = "operator:root"
RIGHT = Secret("Bügelbrett im Schnürsenkel".encode())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", keyring.create(tmp_path / "keys.toml"))
    await store.accounts.add(ANN, actor=OPERATOR)
    await store.passwords.set(ANN, hashed(RIGHT), actor=OPERATOR, needs_factor=False)
    yield store
    await store.close()


async def test_the_whole_string_is_compared(store: Store) -> None:
    identity = LocalIdentity(store.passwords)
    assert (await identity.ask(ANN, RIGHT)).verdict is Verdict.YES
    for wrong in (RIGHT.reveal()[:-1], RIGHT.reveal() + b"x", RIGHT.reveal().lower(), b" " + RIGHT.reveal(), b"\xff"):
        assert (await identity.ask(ANN, Secret(wrong))).verdict is Verdict.NO


async def test_a_keyboard_that_composes_letters_otherwise_gets_in(store: Store) -> None:
    apart = Secret("Bu\u0308gelbrett im Schnu\u0308rsenkel".encode())
    assert (await LocalIdentity(store.passwords).ask(ANN, apart)).verdict is Verdict.YES


@pytest.mark.parametrize(("password", "short"), [("u\u0308" * 14, True), ("ü" * 15, False), ("acht8888", True)])
async def test_one_that_must_not_stand_alone_is_said_to_be_short(store: Store, password: str, short: bool) -> None:
    chosen = Secret(password.encode())
    await store.passwords.set(ANN, hashed(chosen), actor=OPERATOR, needs_factor=False)
    answer = await LocalIdentity(store.passwords).ask(ANN, chosen)
    assert (answer.verdict, answer.short) == (Verdict.YES, short)
    assert not (await LocalIdentity(store.passwords).ask(ANN, Secret(b"wrong"))).short


async def test_a_name_without_a_password_costs_the_same_hash(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def seen(kept: str, password: Secret) -> bool:
        compared.append(kept)
        return True  # were the decoy ever guessed, it must not count

    monkeypatch.setattr(local, "is_hash_of", seen)
    assert (await LocalIdentity(store.passwords).ask(STRANGER, RIGHT)).verdict is Verdict.NO
    assert compared == [DECOY]
    ours = argon2.extract_parameters(hashed(RIGHT))
    assert argon2.extract_parameters(DECOY) == ours
    assert (ours.type, ours.memory_cost, ours.time_cost) == (argon2.Type.ID, 19 * 1024, 2)


async def test_few_hashes_are_computed_at_once_and_whoever_waits_too_long_is_told_to_come_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = LocalIdentity(store.passwords)
    loop = asyncio.get_running_loop()
    running = [asyncio.Event() for _ in range(local.AT_ONCE)]
    started = iter(running)
    go_on = asyncio.Event()

    def slow(kept: str, password: Secret) -> bool:
        loop.call_soon_threadsafe(next(started).set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
        return True

    monkeypatch.setattr(local, "is_hash_of", slow)
    monkeypatch.setattr(local, "PATIENCE", 0.01)
    busy = [asyncio.ensure_future(identity.ask(ANN, RIGHT)) for _ in running]  # noqa: TID251
    await asyncio.gather(*(event.wait() for event in running))
    late = await identity.ask(ANN, RIGHT)
    assert (late.verdict, late.reason) == (Verdict.UNAVAILABLE, Reason.IDENTITY_UNAVAILABLE)
    go_on.set()
    assert {(await each).verdict for each in busy} == {Verdict.YES}


async def test_records_that_are_gone_are_no_answer(store: Store) -> None:
    await store.close()
    answer = await LocalIdentity(store.passwords).ask(ANN, RIGHT)
    assert (answer.verdict, answer.reason) == (Verdict.UNAVAILABLE, Reason.RECORDS_UNAVAILABLE)


def test_a_hash_that_is_none_fits_nothing() -> None:
    assert not is_hash_of("", RIGHT)
    assert not is_hash_of(DECOY, RIGHT)
