"""Another process at the same store: `python -m tests.store.worker ROLE DATABASE KEYS NAME`.

It says `ready`, waits for a line, does its part and reports line by line, each line after the commit it tells of.
"""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from mailguard import keyring
from mailguard.auth import throttle
from mailguard.auth.attempt import Admission, Client, Factor, MailProtocol, Origin
from mailguard.auth.passkeys import PasskeyUse
from mailguard.auth.ports import Lost, Question, Questions, Reserved
from mailguard.keyring import Keyring, Purpose
from mailguard.secret import Secret
from mailguard.store import Store
from mailguard.store.sessions import SessionRow
from tests.store.words import (
    ANN,
    HOME,
    NOON,
    OPERATOR,
    app_password,
    by_code,
    by_one_time_code,
    by_passkey,
    digest,
    granted,
    refused,
    stakes,
)

STEPS = 100
ROUNDS = 20
CROWD, CROWD_CAP = 40, 5
SEALED_ROWS = 40


def say(*words: object) -> None:
    sys.stdout.write(f"{' '.join(map(str, words))}\n")
    sys.stdout.flush()


async def opener(url: str, keys: Keyring, name: str) -> None:
    """Opens a store that may not be there yet."""
    store = await Store.open(url, keys, now=lambda: NOON)
    say("opened", await store.audit.newest())
    await store.close()


async def racer(url: str, keys: Keyring, name: str) -> None:
    """Tries every step in turn, as others do."""
    store = await Store.open(url, keys, now=lambda: NOON)
    (device,) = await store.devices.list(ANN)
    for step in range(1, STEPS + 1):
        entry = by_code(keys, device, step, text=f"{name}{step}", grant=None)
        match await store.ledger.admit(entry):
            case Admission():
                say("won", step)
            case Lost() as lost:
                say("lost", step, lost.value)
    await store.close()


async def signer(url: str, keys: Keyring, name: str) -> None:
    """Signs in with every recovery code in turn, as others do."""
    store = await Store.open(url, keys, now=lambda: NOON)
    account = await store.accounts.get(ANN)
    for code in await store.sign_ins.codes(account, NOON):
        match await store.sign_ins.enter(by_one_time_code(code)):
            case Lost() as lost:
                say("lost", code.id, lost.value)
            case _:
                say("won", code.id)
    await store.close()


async def presser(url: str, keys: Keyring, name: str) -> None:
    """Answers with the passkey again and again, as others do: one count, or one challenge, is everybody's."""
    store = await Store.open(url, keys, now=lambda: NOON)
    counting, silent = await store.passkeys.list(ANN)
    for number in range(1, ROUNDS + 1):
        by_count = PasskeyUse(counting, number, f"{name} {number}".encode())
        by_challenge = PasskeyUse(silent, 0, f"all {number}".encode())
        for what, use in (("count", by_count), ("challenge", by_challenge)):
            match await store.sign_ins.enter(by_passkey(use)):
                case Lost() as lost:
                    say("lost", what, number, lost.value)
                case _:
                    say("won", what, number)
    await store.close()


async def mixer(url: str, keys: Keyring, name: str) -> None:
    """Writes of every kind, several under way at once in this process too."""
    store = await Store.open(url, keys, now=lambda: NOON)
    account = await store.accounts.get(ANN)
    assert account is not None

    async def one(number: int) -> None:
        reservation = stakes(f"{name}{number:02}".encode()[-3:], pair=f"{name}{number}".encode())
        stake = await store.ledger.reserve(reservation, NOON)
        await store.ledger.facts(ANN, [digest(keys, Purpose.APP_PASSWORD, name)], [], NOON)
        await store.ledger.refuse(refused(f"{name}{number}@example.org"), stake)
        issued = await app_password(store, keys, account, f"{name} {number}")
        session = f"mg-{name}-{number}"
        row = SessionRow(
            session, ANN, MailProtocol.IMAP, str(HOME.address), 1, 1, Factor.CODE, "", "", "", "", NOON, NOON
        )
        await store.sessions.opened([row])
        await store.app_passwords.revoke(ANN, issued.id, actor=OPERATOR)
        await store.revocations.changed()

    for start in range(0, ROUNDS, 4):
        await asyncio.gather(*(one(number) for number in range(start, start + 4)))
    say("done", ROUNDS)
    await store.close()


async def writer(url: str, keys: Keyring, name: str) -> None:
    """Issues, revokes and consumes for ever; it is killed."""
    store = await Store.open(url, keys, now=lambda: NOON)
    account = await store.accounts.get(ANN)
    (device,) = await store.devices.list(ANN)
    assert account is not None
    step = device.last_step
    while True:
        step += 1
        text = f"{name} {step}"
        issued = await app_password(store, keys, account, text)
        say("issued", issued.id, text)
        assert isinstance(await store.ledger.admit(by_code(keys, device, step, text=text)), Admission)
        say("consumed", step)
        if step % 2:
            await store.app_passwords.revoke(ANN, issued.id, actor=OPERATOR)
            say("revoked", issued.id)


async def asker(url: str, keys: Keyring, name: str) -> None:
    """Guesses, each time with another password, as fast as it can."""
    store = await Store.open(url, keys, now=lambda: NOON)
    for number in range(ROUNDS):
        text = f"{name}{number}".encode()
        question = Question(text.decode(), b"somewhere", Questions(4, 1800.0))
        reservation = replace(stakes(text[-3:], pair=text), question=question)
        stake = await store.ledger.reserve(reservation, NOON)
        if stake.state is Reserved.NEW:
            say("asked", number)
        await store.ledger.refuse(refused(), stake)
    await store.close()


async def guesser(url: str, keys: Keyring, name: str) -> None:
    """Guesses at ann from one network after another, several guesses under way at once."""
    store = await Store.open(url, keys, now=lambda: NOON)

    async def one(number: int) -> None:
        secret, origin = Secret(f"{name} {number}".encode()), Origin.of(f"10.{ord(name)}.{number}.1", 1)
        stake = await store.ledger.reserve(throttle.reservation(keys, ANN, origin, secret, known=True), NOON)
        if stake.state is Reserved.NEW:
            say("through")
        await store.ledger.refuse(refused(origin=origin), stake)

    for start in range(0, 40, 8):
        await asyncio.gather(*(one(number) for number in range(start, start + 8)))
    await store.close()


async def joiner(url: str, keys: Keyring, name: str) -> None:
    """Comes again and again with the string of ann's grant, from an IPv6 network of its own."""
    store = await Store.open(url, keys, now=lambda: NOON)
    (device,) = await store.devices.list(ANN)
    for _ in range(ROUNDS):
        entry = by_code(keys, device, 101, origin=Origin.of(f"2001:db8:{name}::7", 1))
        say("joined" if isinstance(await store.ledger.admit(entry), Admission) else "elsewhere")
    await store.close()


async def crowder(url: str, keys: Keyring, name: str) -> None:
    """Opens sessions under ann's grant, and says how many are open after each."""
    store = await Store.open(url, keys, now=lambda: NOON)
    (device,) = await store.devices.list(ANN)
    for _ in range(CROWD):
        assert isinstance(await store.ledger.admit(by_code(keys, device, 101, connections=CROWD_CAP)), Admission)
        say(len(await store.sessions.list()))
    await store.close()


async def sealer(url: str, keys: Keyring, name: str) -> None:
    """Writes rows and seals whatever it finds, without regard to others that seal."""
    store = await Store.open(url, keys, now=lambda: NOON)
    for number in range(SEALED_ROWS):
        await store.ledger.record(granted(detail=f"{name} {number}"))
        for row in await store.sealer.seal():
            say(row["position"])
    await store.close()


async def binder(url: str, keys: Keyring, name: str) -> None:
    """Gives its own client's name in a session of each app password with a client lock."""
    store = await Store.open(url, keys, now=lambda: NOON)
    for number in range(ROUNDS):
        held = await store.sessions.named(f"mg-{name}-{number}", Client(name))
        say("bound" if held else "refused", number)
    await store.close()


ROLES = {
    "signer": signer,
    "presser": presser,
    "sealer": sealer,
    "binder": binder,
    "asker": asker,
    "guesser": guesser,
    "joiner": joiner,
    "crowder": crowder,
    "opener": opener,
    "racer": racer,
    "mixer": mixer,
    "writer": writer,
}


def main(role: str, database: str, keys: str, name: str) -> None:
    ring = keyring.load(Path(keys))
    say("ready")
    sys.stdin.readline()
    asyncio.run(ROLES[role](f"sqlite:///{database}", ring, name))


if __name__ == "__main__":
    main(*sys.argv[1:])
