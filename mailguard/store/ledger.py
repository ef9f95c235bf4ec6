"""The records as a login uses them (auth.ports.Ledger). Each call is one read or one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailguard.auth.ports import SPENDING, AuditRow, Shut
from mailguard.store import audit as record
from mailguard.store import crowds, grant_sessions, grants, throttle, vault
from mailguard.store.engine import Undone
from mailguard.store.entry import EntryLost, admit
from mailguard.store.facts import Reading, read
from mailguard.store.revocations import revoked_since

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailguard.auth.accounts import AccountName, AppPassword, KeyedHash, VaultEntry
    from mailguard.auth.attempt import Admission, Verdict
    from mailguard.auth.ports import Entry, Facts, Lost, Permit, Reservation, Stake
    from mailguard.store.engine import Database
    from mailguard.store.seal import Seal


class StoreLedger:
    """The ledger on the database. What each method promises stands in auth.ports."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def facts(
        self,
        name: AccountName,
        app_password: Sequence[KeyedHash],
        string: Sequence[KeyedHash],
        now: float,
        private: str = "",
    ) -> Facts:
        """Read; a row that was altered behind our back is recorded as such."""

        def work(connection: Connection) -> tuple[Reading, bool]:
            found = read(connection, self._seal, name, app_password=app_password, string=string, now=now)
            return found, crowds.crowded(connection, private, now)

        found, crowded = await self._database.read(work)
        for alarm in found.alarms:
            await self.record(alarm)
        return replace(found.facts, crowded=crowded)

    async def reserve(self, reservation: Reservation, now: float) -> Stake:
        """Stake one attempt."""
        return await self._database.write(lambda connection: throttle.reserve(connection, reservation, now))

    async def admit(self, entry: Entry) -> Admission | Lost:
        """Commit a granted login."""

        def work(connection: Connection) -> Admission | Lost | Undone[Admission | Lost]:
            try:
                return admit(connection, self._seal, entry)
            except EntryLost as lost:
                return Undone(lost.why)

        return await self._database.write(work)

    async def refuse(self, audit: AuditRow, stake: Stake | None) -> None:
        """Record a refusal."""

        def work(connection: Connection) -> None:
            throttle.refuse(connection, stake, audit.at, spent=audit.reason in SPENDING)
            record.append(connection, audit)

        await self._database.write(work)

    async def defer(self, audit: AuditRow, stake: Stake | None, permit: Permit | None = None) -> None:
        """Record a temporary failure."""

        def work(connection: Connection) -> None:
            throttle.defer(connection, stake)
            grant_sessions.leave(connection, audit.session)
            if permit is not None and not _fallen(connection, permit):
                grants.leave_permit(connection, self._seal, permit, audit.at)
            record.append(connection, audit)

        await self._database.write(work)

    async def record(self, audit: AuditRow) -> None:
        """Record an event by itself."""
        await self._database.write(lambda connection: record.append(connection, audit))

    async def revoked_since(self, revision: int, admission: Admission, session: str) -> bool:
        """Compare a login with what was revoked since."""

        def work(connection: Connection) -> bool:
            return revoked_since(
                connection,
                revision,
                account=admission.account_id,
                credential=admission.credential,
                device=admission.device,
                person=admission.person,
                password=admission.account_id if admission.factor.by_password else "",
                bare=admission.account_id if admission.factor.bare else "",
                session=session,
            )

        return await self._database.read(work)

    async def vault_entry(self, name: AccountName, app_password: AppPassword, now: float) -> VaultEntry | Shut:
        """Look up, and claim a question where the store has refused it before. An altered entry is recorded as such."""
        found = await self._database.read(lambda connection: vault.find(connection, self._seal, app_password.id))
        if found is None:
            return Shut.EMPTY
        if not found.intact:
            await self.record(record.altered("vault", app_password.id, now, account=name))
            return Shut.EMPTY
        entry = found.value
        if entry.refused_at is None:
            return entry
        if vault.rests(entry, now):
            return Shut.RESTS
        claimed = await self._database.write(lambda connection: vault.claim(connection, app_password.account_id, now))
        return entry if claimed else Shut.RESTS

    async def vault_answered(
        self, app_password: AppPassword, entry: VaultEntry, verdict: Verdict, refused: AuditRow
    ) -> None:
        """Mark or unmark."""
        await self._database.write(
            lambda connection: vault.answered(connection, app_password.account_id, entry, verdict, refused)
        )

    async def end_grant(self, grant_id: str, audit: AuditRow) -> None:
        """End a grant whose string the store no longer takes."""

        def work(connection: Connection) -> None:
            grants.end_one(connection, grant_id, audit.at)
            record.append(connection, audit)

        await self._database.write(work)


def _fallen(connection: Connection, permit: Permit) -> bool:
    """Its leg took a while to fail: was the account or the authenticator ended meanwhile?"""
    account = permit.account_id
    return revoked_since(connection, permit.revision, account=account, device=permit.device_id, password=account)
