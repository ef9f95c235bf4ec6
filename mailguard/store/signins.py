"""The records as a person's sign-in uses them (auth.ports.SignInRecords)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailguard.auth.accounts import CodeKind
from mailguard.auth.events import Event
from mailguard.auth.passkeys import Answerable
from mailguard.auth.ports import Lost
from mailguard.store import audit, codes, passkeys, questions, throttle, vault
from mailguard.store.engine import Undone
from mailguard.store.entry import EntryLost, consume, first_account
from mailguard.store.factors import has_factor
from mailguard.store.portal_schema import passkeys as passkey_table
from mailguard.store.revocations import revoked_since
from mailguard.store.schema import one_time_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table

    from mailguard.auth.accounts import Account, OneTimeCode, Passkey
    from mailguard.auth.entering import Entering
    from mailguard.auth.ports import Stake
    from mailguard.store.engine import Database
    from mailguard.store.seal import Seal


class StoreSignIns:
    """What each method promises stands in auth.ports."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def codes(self, account: Account | None, now: float) -> Sequence[OneTimeCode]:
        """Read; a row that was altered behind our back is recorded as such. Of no account as many reads as of one."""
        account_id, name = ("", "") if account is None else (account.id, account.name)
        good, altered = await self._database.read(lambda c: codes.usable(c, self._seal, account_id, now))
        if altered:
            await self._database.write(lambda c: _tell_of(c, one_time_codes, altered, now, name))
        return good

    async def passkeys(self, account: Account | None, challenge: bytes, now: float) -> Answerable:
        """Read; a row that was altered behind our back is recorded as such. Of no account as many reads as of one."""
        account_id, name = ("", "") if account is None else (account.id, account.name)

        def work(connection: Connection) -> tuple[Answerable, Sequence[Passkey]]:
            good, altered = passkeys.usable(connection, self._seal, account_id)
            return Answerable(good, passkeys.spent(connection, challenge)), altered

        found, altered = await self._database.read(work)
        if altered:
            await self._database.write(lambda c: _tell_of(c, passkey_table, altered, now, name))
        return found

    async def enter(self, entering: Entering) -> str | Lost:
        """Commit a granted sign-in."""

        def work(connection: Connection) -> str | Lost | Undone[str | Lost]:
            try:
                return _enter(connection, self._seal, entering)
            except EntryLost as lost:
                return Undone(lost.why)

        return await self._database.write(work)

    async def right(self, stake: Stake) -> None:
        """Refund."""
        await self._database.write(lambda connection: throttle.refund(connection, stake))


def _enter(connection: Connection, seal: Seal, entering: Entering) -> str:
    now, step, code, use = entering.audit.at, entering.step, entering.code, entering.passkey
    account_id = entering.account_id or first_account(connection, seal, entering.name, entering.group, now)
    device = use.passkey.id if use is not None else step.device.id if step is not None else ""
    if revoked_since(connection, entering.revision, account=account_id, device=device, password=account_id):
        raise EntryLost(Lost.REVOKED)
    if has_factor(connection, account_id) is not entering.enrolled:
        # Its first factor was bound meanwhile, or its last one removed: what was decided no longer holds.
        raise EntryLost(Lost.REVOKED)
    if step is not None and not consume(connection, device, account_id, step.step):
        raise EntryLost(Lost.STEP_USED)
    if use is not None and not (
        passkeys.spend(connection, use.challenge, now) and passkeys.use(connection, use.passkey, use.sign_count, now)
    ):
        raise EntryLost(Lost.STEP_USED)
    if code is not None:
        used = replace(entering.audit, event=Event.CODE_USED, detail=f"{code.kind} code")
        if not codes.use(connection, seal, code, used):
            raise EntryLost(Lost.STEP_USED)
        if entering.instead:
            codes.replace(connection, seal, code, entering.instead, now)
    throttle.refund(connection, entering.stake)
    if code is not None and code.kind is CodeKind.RECOVERY:
        throttle.unlock(connection, entering.stake.reservation.owner)
    questions.saw(connection, entering.place, now)
    if entering.store_password is not None:
        vault.reseal(connection, seal, account_id, entering.store_password, now)
    audit.append(connection, entering.audit)
    return account_id


def _tell_of(
    connection: Connection, table: Table, altered: Sequence[OneTimeCode | Passkey], now: float, name: str
) -> None:
    for each in altered:
        audit.append(connection, audit.altered(table.name, each.id, now, account=name))
