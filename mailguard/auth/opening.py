"""An app password where legs open with users' own passwords: its vault is opened, the store is asked with that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailguard.auth import vault
from mailguard.auth.attempt import Answer, Reason, Verdict
from mailguard.auth.events import Event
from mailguard.auth.ports import Shut

if TYPE_CHECKING:
    from mailguard.auth.accounts import AccountName, AppPassword
    from mailguard.auth.ports import Asked, AuditRow, Clock, Ledger
    from mailguard.secret import Secret


@dataclass(frozen=True, slots=True)
class Opening:
    """One login's way through the vault of its app password. `row` is what the record says of the login so far."""

    ledger: Ledger
    clock: Clock
    name: AccountName
    app_password: AppPassword
    row: AuditRow

    async def ask(self, asked: Asked, offered: Secret) -> Answer:
        """Open the leg with what is sealed to `offered`; VAULT_STALE where that cannot be, or the store says no."""
        entry = await self.ledger.vault_entry(self.name, self.app_password, self.clock.now())
        if isinstance(entry, Shut):
            return _stale(entry.value)
        password = vault.unseal(offered, self.app_password.id, self.app_password.account_id, entry.sealed)
        if password is None:
            return _stale("what is sealed to this app password does not open")
        answer = await asked.enter(self.name, password)
        if answer.verdict is Verdict.NO or entry.refused_at is not None:
            refused = replace(self.row, event=Event.VAULT_REFUSED, at=self.clock.now(), detail=answer.detail)
            await self.ledger.vault_answered(self.app_password, entry, answer.verdict, refused)
        return _stale(answer.detail) if answer.verdict is Verdict.NO else answer


def _stale(detail: str) -> Answer:
    return Answer(Verdict.UNAVAILABLE, Reason.VAULT_STALE, detail)
