"""Generations of keys: what hangs on each, a new one, and the end of an old one.

The order makes a crash harmless. A rotation writes the file first: rows under a generation that no file holds would be
lost, while a generation without rows is merely there. For the same reason a retired one leaves the file last.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, false, func, or_, select, true

from mailguard import keyring
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import audit, key_checks, macs, revocations
from mailguard.store.errors import ChangeRefused
from mailguard.store.portal_schema import api_keys
from mailguard.store.reseal import Resealed, reseal
from mailguard.store.revocations import Kind
from mailguard.store.schema import app_passwords, claims, grants

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection, Table

    from mailguard.keyring import Generation
    from mailguard.store.administration import Administration


@dataclass(frozen=True, slots=True)
class Hanging:
    """What would no longer be read without one generation: rows by table. Of the app passwords, `unused` opened nothing
    since there is a newer one (each use renews its hash), and `dead` are known only so that they can be told so."""

    generation: Generation
    newest: bool
    rows: Mapping[str, int]
    unused: int
    dead: int


class Keys:
    """The generations of the key file, as an administrator sees them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def list(self) -> tuple[Hanging, ...]:
        """Every generation of the file and what hangs on it, newest first."""
        ring, now = self._by.seal.keyring, self._by.now()

        def work(connection: Connection) -> tuple[Hanging, ...]:
            return tuple(_hanging(connection, g, now, newest=g == ring.newest) for g in ring.generations)

        return await self._by.database.read(work)

    async def rotate(self, file: Path, *, actor: str) -> Resealed:
        """Put a new generation into the file and bring every row that fits under it. KeysError: the file stays as it
        was. Workers take it over within their poll; a string on its way meanwhile is tried again by its client."""
        ring = self._by.seal.keyring
        new = await asyncio.to_thread(keyring.rotate, file)
        ring.reread()

        def work(connection: Connection) -> Resealed:
            now = self._by.now()
            key_checks.remember(connection, new)
            done = reseal(connection, self._by.seal)
            detail = f"{done.renewed} rows sealed anew, {len(done.unfit)} do not fit"
            audit.append(connection, AuditRow(Event.KEYS_ROTATED, now, actor=actor, credential=new.id, detail=detail))
            for unfit in done.unfit:
                audit.append(connection, unfit.alarm(now, actor))
            revocations.revoke(connection, Kind.KEYS, new.id, now)
            return done

        return await self._by.database.write(work)

    async def retire(self, file: Path, key_id: str, *, actor: str, forget_dead: bool = False) -> None:
        """Take a generation out of the file. ChangeRefused while anything hangs on it: says what, and what to do.
        `forget_dead`: revoked and expired app passwords are forgotten with it."""

        def work(connection: Connection) -> None:
            now = self._by.now()
            generation = self._retirable(key_id, now)
            done = reseal(connection, self._by.seal)
            _forget(connection, key_id, now, dead=forget_dead)
            hanging = _hanging(connection, generation, now, newest=False)
            if any(hanging.rows.values()):
                raise ChangeRefused(_in_words(hanging, done))
            key_checks.forget(connection, key_id)
            audit.append(connection, AuditRow(Event.KEY_RETIRED, now, actor=actor, credential=key_id))
            revocations.revoke(connection, Kind.KEYS, key_id, now)

        await self._by.database.write(work)
        await asyncio.to_thread(keyring.retire, file, key_id)
        self._by.seal.keyring.reread()

    def _retirable(self, key_id: str, now: float) -> Generation:
        ring = self._by.seal.keyring
        generation = next((g for g in ring.generations if g.id == key_id), None)
        if generation is None:
            raise ChangeRefused(f"the key file holds no generation {key_id}: see `mailguard keys list`")
        if generation == ring.newest:
            raise ChangeRefused(f"{key_id} is the newest generation: make another first, by `mailguard keys rotate`")
        if not ring.newest.settled(now):
            raise ChangeRefused(f"workers may still write under {key_id}: try again in ten seconds")
        return generation


def _of_generation(table: Table, key_id: str) -> ColumnElement[bool]:
    named = (column for column in table.c if column.name in ("hash_key", "mac_key", "seal_key", "string_key"))
    return or_(false(), *(column == key_id for column in named))


def _dead(now: float) -> ColumnElement[bool]:
    """App passwords that open nothing any more."""
    c = app_passwords.c
    idle = func.coalesce(c.last_used_at, c.created_at) + c.idle <= now
    unused = and_(c.last_used_at.is_(None), func.coalesce(c.first_use_by <= now, False))
    return or_(c.revoked_at.is_not(None), func.coalesce(c.expires_at <= now, False), func.coalesce(idle, False), unused)


def _counts(table: Table, now: float) -> ColumnElement[bool]:
    """What of a table is still of use."""
    if table is grants:
        return grants.c.ended_at.is_(None)
    if table is claims:
        return and_(claims.c.used_at.is_(None), claims.c.expires_at > now)
    if table is api_keys:
        return and_(api_keys.c.revoked_at.is_(None), api_keys.c.expires_at > now)
    return true()


def _hanging(connection: Connection, generation: Generation, now: float, *, newest: bool) -> Hanging:
    def count(table: Table, *which: ColumnElement[bool]) -> int:
        return connection.execute(select(func.count()).select_from(table).where(*which)).scalar_one()

    hashed = app_passwords.c.hash_key == generation.id
    return Hanging(
        generation,
        newest,
        {
            table.name: count(table, _of_generation(table, generation.id), _counts(table, now))
            for table in macs.tables()
        },
        unused=0 if newest else count(app_passwords, hashed, ~_dead(now)),
        dead=count(app_passwords, hashed, _dead(now)),
    )


def _forget(connection: Connection, key_id: str, now: float, *, dead: bool) -> None:
    """What is of no use any more goes with its generation: without it such rows could not even be read."""
    for table in (grants, claims, api_keys):
        connection.execute(delete(table).where(_of_generation(table, key_id), ~_counts(table, now)))
    if dead:
        connection.execute(delete(app_passwords).where(app_passwords.c.hash_key == key_id, _dead(now)))


def _in_words(hanging: Hanging, done: Resealed) -> str:
    return f"{hanging.generation.id} cannot go yet: {'; '.join(_reasons(hanging, done))}"


def _reasons(hanging: Hanging, done: Resealed) -> Iterator[str]:
    if hanging.unused:
        yield (
            f"{hanging.unused} app passwords were not used since the rotation: each use renews its hash, so let their "
            "devices connect once, or revoke them"
        )
    if hanging.dead:
        yield f"{hanging.dead} app passwords are revoked or expired: forget them with --forget-dead"
    if hanging.rows[api_keys.name]:
        yield (
            f"{hanging.rows[api_keys.name]} API keys were not used since the rotation: let their programs call once, "
            "or revoke them"
        )
    if hanging.rows[claims.name]:
        yield f"{hanging.rows[claims.name]} claim links are open: wait a day"
    if hanging.rows[grants.name]:
        yield f"{hanging.rows[grants.name]} grants are live: wait for their end, or `mailguard session end --all`"
    for unfit in (each for each in done.unfit if hanging.generation.id in each.generations):
        yield f"{unfit} was changed outside mailguard: remove it, or have it written anew by the command that made it"
