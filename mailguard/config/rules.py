"""The tables about who gets in: names, policy, and how guessing is slowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType

from mailguard.config import kinds
from mailguard.config.choices import CodeWindow, FirstEnrolment, TwoFactor
from mailguard.config.key import key
from mailguard.config.kinds import FLAG, NETWORKS, OPTIONAL_PATH, Network
from mailguard.config.trust import TRUSTED, TrustedNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The one form of a login name."""

    domain: str = key(
        kinds.DOMAIN,
        "",
        "appended to a login name without one; empty: refuse such names",
        example="example.org",
    )
    aliases: Path | None = key(
        OPTIONAL_PATH, "", "file: alias account, a line each; all aliases share throttle, factor, audit"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Who gets in by what. `group` holds the policy of each group, every key of it settled."""

    two_factor: TwoFactor = key(
        kinds.choice(TwoFactor),
        "optional",
        "who has no factor: optional passes | observe: and is noted | warn: and is told | enforce: no factor, no mail",
    )
    enforce_from: date | None = key(
        kinds.DATE, "", "a date (UTC); before it enforce acts as warn, for administrators it acts at once"
    )
    administrators: TwoFactor = key(
        kinds.choice(TwoFactor), "enforce", "the same, for administrators; the stricter of the two holds"
    )
    first_enrolment: FirstEnrolment = key(
        kinds.choice(FirstEnrolment),
        "password",
        "password | claim: what binds the first authenticator; under enforce and after a reset always claim",
    )
    codes_in_mail_clients: bool = key(FLAG, True, "password followed by the code, in a mail client's password field")
    code_window: CodeWindow = key(
        kinds.choice(CodeWindow), "previous", "none | previous | both: time steps accepted beside the current one"
    )
    grant_idle: float = key(
        kinds.duration("1m", "365d"),
        "1h",
        "the string of a code opens further sessions from its network until it had none open for so long",
    )
    grant_limit: float = key(
        kinds.duration("0", "365d"),
        "12h",
        'and at most so long: then its sessions end too; "0": one login a code',
    )
    grant_connections: int = key(
        kinds.integer(1, 1000), 8, "open sessions of one grant; a further one ends the one silent longest"
    )
    app_password_limit: int = key(kinds.integer(0, 1000), 20, "app passwords an account may have")
    app_password_expires: float | None = key(
        kinds.optional_duration("1m", "3650d"), "", "life of a new app password, such as 365d; empty: no end"
    )
    app_password_idle: float | None = key(
        kinds.optional_duration("1m", "3650d"), "", "unused for so long a new app password lapses; empty: never"
    )
    trusted_networks: tuple[TrustedNetwork, ...] = key(
        TRUSTED,
        [],
        "[{ network, until }]: bare passwords of accounts without a factor, to the end of that day (UTC)",
    )
    shared_networks: tuple[Network, ...] = key(
        NETWORKS, [], "of private addresses that many people share on purpose; elsewhere those lose grants and trust"
    )
    group: Mapping[str, Policy] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, group: str) -> Policy:
        """The policy for accounts of a group; of an unknown group or none, this one."""
        return self.group.get(group, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """How guessing is slowed."""

    failure_delay: float = key(
        kinds.duration("0", "30s"),
        "3s",
        "every refusal leaves so long after the attempt came; more than the store's own",
    )
    unauthenticated: int = key(kinds.integer(1, 1_000_000), 4000, "connections before login, in each worker process")
    unauthenticated_per_network: int = key(kinds.integer(1, 1_000_000), 200, "and per network (IPv4 address, IPv6 /64)")
