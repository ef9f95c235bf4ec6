"""How long a login waits for its steps, measured around its ports: the decision itself has no clock."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from mailguard.observe.families import PHASES, THROTTLE, Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailguard.auth.accounts import AccountName, AppPassword, KeyedHash, VaultEntry
    from mailguard.auth.attempt import Admission, Answer, Verdict
    from mailguard.auth.ports import (
        Asked,
        AuditRow,
        Entry,
        Facts,
        Ledger,
        Lost,
        Permit,
        Reservation,
        Shut,
        Stake,
    )
    from mailguard.observe.board import Meter
    from mailguard.secret import Secret


class MeasuredLedger:
    """The records, as a login uses them (auth.ports.Ledger), with a watch beside what every login waits for."""

    def __init__(self, ledger: Ledger, meter: Meter) -> None:
        self._ledger = ledger
        self._meter = meter

    async def facts(
        self,
        name: AccountName,
        app_password: Sequence[KeyedHash],
        string: Sequence[KeyedHash],
        now: float,
        private: str = "",
    ) -> Facts:
        """Measured."""
        began = perf_counter()
        facts = await self._ledger.facts(name, app_password, string, now, private)
        self._meter.took(PHASES, Phase.FACTS, seconds=perf_counter() - began)
        return facts

    async def reserve(self, reservation: Reservation, now: float) -> Stake:
        """Measured, and counted by what became of it."""
        began = perf_counter()
        stake = await self._ledger.reserve(reservation, now)
        self._meter.took(PHASES, Phase.THROTTLE, seconds=perf_counter() - began)
        self._meter.add(THROTTLE, stake.state.value)
        return stake

    async def admit(self, entry: Entry) -> Admission | Lost:
        """Measured."""
        began = perf_counter()
        admitted = await self._ledger.admit(entry)
        self._meter.took(PHASES, Phase.COMMIT, seconds=perf_counter() - began)
        return admitted

    async def refuse(self, audit: AuditRow, stake: Stake | None) -> None:
        """Handed on, as all that follows."""
        await self._ledger.refuse(audit, stake)

    async def defer(self, audit: AuditRow, stake: Stake | None, permit: Permit | None = None) -> None:
        """Handed on."""
        await self._ledger.defer(audit, stake, permit)

    async def record(self, audit: AuditRow) -> None:
        """Handed on."""
        await self._ledger.record(audit)

    async def revoked_since(self, revision: int, admission: Admission, session: str) -> bool:
        """Handed on."""
        return await self._ledger.revoked_since(revision, admission, session)

    async def vault_entry(self, name: AccountName, app_password: AppPassword, now: float) -> VaultEntry | Shut:
        """Handed on."""
        return await self._ledger.vault_entry(name, app_password, now)

    async def vault_answered(
        self, app_password: AppPassword, entry: VaultEntry, verdict: Verdict, refused: AuditRow
    ) -> None:
        """Handed on."""
        await self._ledger.vault_answered(app_password, entry, verdict, refused)

    async def end_grant(self, grant_id: str, audit: AuditRow) -> None:
        """Handed on."""
        await self._ledger.end_grant(grant_id, audit)


class MeasuredQuestion:
    """The identity question of one login (auth.ports.Asked), with a watch beside it."""

    __slots__ = ("_asked", "_meter")

    def __init__(self, asked: Asked, meter: Meter) -> None:
        self._asked = asked
        self._meter = meter

    async def ask(self, name: AccountName, password: Secret) -> Answer:
        """Measured."""
        began = perf_counter()
        answer = await self._asked.ask(name, password)
        self._meter.took(PHASES, Phase.IDENTITY, seconds=perf_counter() - began)
        return answer

    async def enter(self, name: AccountName, password: Secret) -> Answer:
        """Measured."""
        began = perf_counter()
        answer = await self._asked.enter(name, password)
        self._meter.took(PHASES, Phase.IDENTITY, seconds=perf_counter() - began)
        return answer
