"""Whose credential opens a leg: the user's own, or a master's that speaks for the user."""

from __future__ import annotations

from dataclasses import dataclass

from mailguard.auth.accounts import AccountName
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.target import Target
from mailguard.config import MasterForm
from mailguard.secret import Secret

SEPARATOR = "*"  # between user and master in the name-embedded form; Dovecot's auth_master_user_separator


@dataclass(frozen=True, slots=True)
class Credential:
    """Who logs in (authcid) with which secret, and for whom (authzid; "" for themselves)."""

    authzid: str
    authcid: str
    password: Secret

    def plain(self) -> Secret:
        """The SASL PLAIN message (RFC 4616 §2)."""
        parts = (self.authzid.encode(), self.authcid.encode(), self.password.reveal())
        return Secret(b"\0".join(parts))


def own(target: Target, name: AccountName, password: Secret) -> Credential:
    """The user's own password. Raises BackendFailure(REFUSED) for what no store may be asked."""
    # Some directories take an empty password for an anonymous bind and say yes (RFC 4513 §5.1.2).
    if not password or any(byte in password.reveal() for byte in b"\0\r\n"):
        raise BackendFailure(FailureKind.REFUSED, "a password that no store may be asked")
    return Credential("", _user(target, name), password)


def master(target: Target, name: AccountName) -> Credential:
    """The master's secret, for the user. Raises BackendFailure(REFUSED) for a name that would not mean the user."""
    if target.master_secret is None:
        raise ValueError(f"{target}: no master is configured")
    user = _user(target, name)
    match target.master_form:
        case MasterForm.AUTHZID:
            return Credential(user, target.master_user, target.master_secret)
        case MasterForm.SEPARATOR:
            return Credential("", f"{user}{SEPARATOR}{target.master_user}", target.master_secret)


def _user(target: Target, name: AccountName) -> str:
    user = target.username.of(name)
    # `victim*master` is a master login at the store, whoever typed it. And where authzid and authcid are equal,
    # Dovecot forgets the authzid: the master's own name must not be asked for.
    odd = not user.isprintable() or " " in user or SEPARATOR in user
    if name.startswith("@") or not name or odd or user.casefold() == target.master_user.casefold():
        raise BackendFailure(FailureKind.REFUSED, "a name that the store would not read as this user")
    return user
