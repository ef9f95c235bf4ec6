"""The guard as a target: one worker, as its peers have one process, every part of the decision on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import clients
from bench.clients import Credential
from bench.meter import Meter
from bench.records import filled
from bench.store import MailStore
from bench.targets import Target, Who
from mailguard.auth import totp
from mailguard.auth.accounts import AccountName
from tests.e2e.guard import ACTOR, Guard, Person, Tables, serving
from tests.e2e.stack import User

ONE_WORKER: Tables = {"server": {"workers": 1}}


@contextlib.contextmanager
def running_guard(store: MailStore, folder: Path, program: str = "mailguard") -> Iterator[Target]:
    """mailguard with an app password for every user, and a grant opened for every one of the people."""
    folder.mkdir()
    with serving(store.stack, folder, "master", ONE_WORKER, program=program) as guard:
        credentials = filled(folder, (each.name for each in store.users))
        grants = asyncio.run(_opened(guard, store.people))
        yield Target(Who.GUARD, guard.imap_port, guard.submission_port, Meter(guard.process.pid), credentials, grants)


async def _opened(guard: Guard, people: Sequence[Credential]) -> list[Credential]:
    """Log in once by password and code: from then on that string opens sessions from here."""
    persons: list[Person] = []
    async with guard.records() as records:
        for each in people:
            name = AccountName(each.name)
            await records.accounts.add(name, actor=ACTOR)
            device = await records.devices.enrol(name, "bench", totp.new_seed(), actor=ACTOR)
            await records.devices.confirm(device.id, 1, actor=ACTOR)
            persons.append(Person(User(each.name, each.password), device.seed.reveal().decode(), device.id))
    grants: list[Credential] = []
    for person in persons:
        login = person.login()
        grants.append(credential := Credential(login.name, login.password))
        async with clients.reading(guard.imap_port, clients.context(guard.stack.ca), credential):
            pass
    return grants
