"""What an organisation demands of a login, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique

from mailguard.auth.accounts import Account
from mailguard.auth.totp import Window


@unique
class TwoFactor(StrEnum):
    """How an account without a factor is treated. With one it always needs it."""

    OPTIONAL = "optional"
    ENFORCE = "enforce"


@unique
class FirstEnrolment(StrEnum):
    """What binds the first factor of an account that may do without one. One that may not needs a claim."""

    PASSWORD = "password"
    CLAIM = "claim"  # a one-time enrolment code from an administrator


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one group, or of everybody else. Times in seconds."""

    two_factor: TwoFactor = TwoFactor.OPTIONAL
    administrators: TwoFactor = TwoFactor.ENFORCE
    first_enrolment: FirstEnrolment = FirstEnrolment.PASSWORD
    codes_in_mail_clients: bool = True
    window: Window = Window.PREVIOUS
    grant_limit: float | None = 12 * 3600.0  # the end of a grant, from its opening; None: one session a code
    grant_idle: float = 3600.0  # the end of a grant without an open session
    grant_connections: int = 8  # open sessions of one grant

    def demands_factor(self, account: Account | None) -> bool:
        """Whether a bare password is refused on mail. None: an account that would be created by this login."""
        if account is None:
            return self.two_factor is TwoFactor.ENFORCE
        if account.factor_required or self.two_factor is TwoFactor.ENFORCE:
            return True
        return account.administrator and self.administrators is TwoFactor.ENFORCE

    def demands_claim(self, account: Account | None) -> bool:
        """Whether the password alone binds no first factor: under enforce and after a reset a phished one must not
        enrol the thief."""
        return self.first_enrolment is FirstEnrolment.CLAIM or self.demands_factor(account)


@dataclass(frozen=True, slots=True)
class Policies:
    """The default and the groups that differ from it."""

    default: Policy = field(default_factory=Policy)
    groups: Mapping[str, Policy] = field(default_factory=dict)

    def of(self, account: Account | None, told: str | None = None) -> Policy:
        """The policy that applies to an account, or to one that does not exist yet.

        `told` is the group that the identity source has just put it into, where it tells: newer than the account's row.
        """
        group = told if told is not None else account.group if account is not None else ""
        return self.groups.get(group, self.default)
