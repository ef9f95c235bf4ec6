"""Who is asked whether a password is right, where a person signs in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.backends import identity
from mailguard.backends.target import Caller

if TYPE_CHECKING:
    from mailguard.auth.accounts import AccountName
    from mailguard.auth.attempt import Answer, Origin
    from mailguard.auth.ports import Identity
    from mailguard.backends.target import Target
    from mailguard.secret import Secret


@dataclass(frozen=True, slots=True)
class Asking:
    """A directory or our own records where there are such, else a listener of the mail store, which is left at once."""

    source: Identity | None
    target: Target

    def __call__(self, origin: Origin, session: str) -> Identity:
        """The identity question of one sign-in."""
        return self.source or _Listener(self.target, Caller(origin, session))


@dataclass(frozen=True, slots=True)
class _Listener:
    target: Target
    caller: Caller

    async def ask(self, name: AccountName, password: Secret) -> Answer:
        """Log in there with this password, and out again."""
        return await identity.ask(self.target, name, password, self.caller)
