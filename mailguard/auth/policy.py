"""What an organisation demands of a login, as plain values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum, unique
from ipaddress import IPv4Address, IPv6Address

from mailguard.auth.accounts import Account, Network
from mailguard.auth.attempt import Admission, Factor, Origin
from mailguard.config.choices import CodeWindow, FirstEnrolment, TwoFactor

_STRICT = tuple(TwoFactor)


@unique
class Bare(Enum):
    """What becomes of a bare password that proved right, of an account without a factor."""

    PASSES = "passes"
    OBSERVED = "observed"
    WARNED = "warned"
    TRUSTED = "trusted"  # it would be refused anywhere else
    REFUSED = "refused"


_TREATED = {TwoFactor.OPTIONAL: Bare.PASSES, TwoFactor.OBSERVE: Bare.OBSERVED, TwoFactor.WARN: Bare.WARNED}


@dataclass(frozen=True, slots=True)
class TrustedNetwork:
    """A network that stands in for the second factor of who has none, until a moment (UTC seconds)."""

    network: Network
    until: float

    def holds(self, address: IPv4Address | IPv6Address, now: float) -> bool:
        """Whether somebody who comes from this address now is let in by it."""
        return now < self.until and address.version == self.network.version and address in self.network


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one group, or of everybody else. Times in seconds."""

    two_factor: TwoFactor = TwoFactor.OPTIONAL
    enforce_from: float | None = None  # UTC seconds; before it `two_factor` enforces nothing yet, it warns
    administrators: TwoFactor = TwoFactor.ENFORCE  # from the first day: they open what everybody else has
    first_enrolment: FirstEnrolment = FirstEnrolment.PASSWORD
    codes_in_mail_clients: bool = True
    window: CodeWindow = CodeWindow.PREVIOUS
    grant_limit: float | None = 12 * 3600.0  # the end of a grant, from its opening; None: one session a code
    grant_idle: float = 3600.0  # the end of a grant without an open session
    grant_connections: int = 8  # open sessions of one grant
    trusted_networks: tuple[TrustedNetwork, ...] = ()
    shared_networks: tuple[Network, ...] = ()  # many people come from one address there, and that is meant

    def mode(self, account: Account | None, now: float) -> TwoFactor:
        """How an account without a factor is treated now. None: one that would be created by this login."""
        due = self.enforce_from is None or now >= self.enforce_from
        usual = TwoFactor.WARN if self.two_factor is TwoFactor.ENFORCE and not due else self.two_factor
        if account is None:
            return usual
        if account.factor_required:
            return TwoFactor.ENFORCE
        return max(usual, self.administrators, key=_STRICT.index) if account.administrator else usual

    def bare(self, account: Account | None, address: IPv4Address | IPv6Address, now: float) -> Bare:
        """What becomes of the right password alone, on mail. A trusted network is none to an administrator, nor to
        whoever was reset: the thief of a phone may sit in the waiting room."""
        mode = self.mode(account, now)
        if mode is not TwoFactor.ENFORCE:
            return _TREATED[mode]
        apart = account is not None and (account.factor_required or account.administrator)
        trusted = not apart and any(each.holds(address, now) for each in self.trusted_networks)
        return Bare.TRUSTED if trusted else Bare.REFUSED

    def demands_factor(self, account: Account | None, now: float) -> bool:
        """Whether a bare password is refused on mail, trusted networks apart."""
        return self.mode(account, now) is TwoFactor.ENFORCE

    def demands_claim(self, account: Account | None, now: float) -> bool:
        """Whether the password alone binds no first factor: under enforce and after a reset a phished one must not
        enrol the thief."""
        return self.first_enrolment is FirstEnrolment.CLAIM or self.demands_factor(account, now)

    def enforced_on(self) -> str:
        """The day from which on a bare password is refused, as a date; "" where none is set."""
        return "" if self.enforce_from is None else f"{datetime.fromtimestamp(self.enforce_from, UTC):%Y-%m-%d}"

    def where(self, origin: Origin, *, crowded: bool) -> "Policy":
        """The policy as it holds at an address. Where very many accounts come from one, it is a router or a forwarder
        and says nothing about who comes: no grant is bound to it, no network is trusted by it."""
        if not crowded or self.shares(origin.address):
            return self
        return replace(self, grant_limit=None, trusted_networks=())

    def shares(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether many people share this address on purpose."""
        return any(address.version == network.version and address in network for network in self.shared_networks)

    def moments(self) -> Iterator[float]:
        """When what it allows changes by itself."""
        if self.enforce_from is not None:
            yield self.enforce_from
        yield from (each.until for each in self.trusted_networks)


@dataclass(frozen=True, slots=True)
class Policies:
    """The default and the groups that differ from it."""

    default: Policy = field(default_factory=Policy)
    groups: Mapping[str, Policy] = field(default_factory=dict)

    def of(self, account: Account | None, told: str | None = None) -> Policy:
        """The policy that applies to an account, or to one that does not exist yet.

        `told` is the group that the identity source has just put it into, where it tells: newer than the account's row.
        """
        return self.of_group(told if told is not None else account.group if account is not None else "")

    def of_group(self, group: str) -> Policy:
        """The policy of a group; of none, or one that is not configured, the default."""
        return self.groups.get(group, self.default)

    def still_allow(self, admission: Admission, origin: Origin, now: float) -> bool:
        """Would a session that stands on this be let in now? Whatever else it stands on is told by revocations, a
        change of the account itself too."""
        policy = self.of_group(admission.group)
        match admission.factor:
            case Factor.PASSWORD:
                return policy.bare(admission.account, origin.address, now) is not Bare.REFUSED
            case Factor.CODE | Factor.GRANT:
                return policy.codes_in_mail_clients
            case _:
                return True

    def changes_between(self, before: float, now: float) -> bool:
        """Did what they allow change by itself, after `before` and until `now`?"""
        return any(before < moment <= now for policy in self._every() for moment in policy.moments())

    def meant(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether many people share this address on purpose, of whatever group they are."""
        return all(policy.shares(address) for policy in self._every())

    def _every(self) -> tuple[Policy, ...]:
        return (self.default, *self.groups.values())
