"""How a store takes wrong passwords: is its NO within our own delay, and who waits for whose guesses?

Its first NO says little: Dovecot makes an address wait longer with each failure. So five come first, all at once, and
the sixth is timed. Whoever waits then is told by one more, by another name and from another address.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Origin
from mailguard.backends.dial import open_leg
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.login import own
from mailguard.backends.target import Caller
from mailguard.checks.findings import REMEDIES, Finding, fail, ok
from mailguard.secret import Secret
from mailguard.store import new_id

if TYPE_CHECKING:
    from mailguard.backends.target import Target
    from mailguard.config import Settings

FAILURES = 5
NOTICEABLE = 1.5  # seconds longer than an ordinary NO
_DOCUMENTATION = int(IPv6Address("2001:db8::"))  # RFC 3849


class _Open(Exception):
    """The store let a made-up name in."""


async def refusals(way: Target, settings: Settings) -> list[Finding]:
    """Seven logins by names and passwords that nobody has: are they refused, and how fast? A minute at most."""
    name, origin = _made_up(settings), _nobody()
    try:
        usual = min(await asyncio.gather(*(_refusal(way, name, origin) for _ in range(FAILURES))))
        slowed = await _refusal(way, name, origin)
        penal = slowed - usual > NOTICEABLE
        others = await _refusal(way, _made_up(settings), _nobody()) if penal else usual
    except BackendFailure as failure:
        return [fail(f"{failure.text} (at a wrong password)", REMEDIES[failure.kind])]
    except _Open:
        text = f"{way} let a made-up name in with a made-up password"
        return [fail(text, "close it: it asks for no password at all")]
    found = [_within(way, slowed, settings.throttle.failure_delay)]
    if penal:
        found.append(_who_waits(way, shared=others - usual > NOTICEABLE))
    return found


def _within(way: Target, took: float, delay: float) -> Finding:
    after = f"{way} takes {took:.1f} s to refuse a wrong password after {FAILURES} failures"
    if took < delay:
        return ok(f"{after}, within throttle.failure_delay")
    return fail(
        f"{after}, longer than throttle.failure_delay ({delay:g} s): "
        "who listens to the delay hears which passwords were asked for",
        f'write failure_delay = "{math.ceil(took) + 1}s", or shorten the store\'s (Dovecot: auth_failure_delay, and '
        "service anvil { unix_listener anvil-auth-penalty { mode = 0 } }: mailguard slows guessers itself)",
    )


def _who_waits(way: Target, *, shared: bool) -> Finding:
    if not shared:
        return ok(f"{way} lets the guesser wait, and nobody else: it believes the address that we tell it")
    by_id = "login_trusted_networks with mailguard's address, or " if way.forward_client else ""
    return fail(
        f"{way} lets everybody wait for one guesser: it takes all clients for one",
        f"Dovecot: {by_id}service anvil {{ unix_listener anvil-auth-penalty {{ mode = 0 }} }}",
    )


async def _refusal(way: Target, name: AccountName, origin: Origin) -> float:
    """Seconds until the store said no. Raises BackendFailure for any other trouble."""
    started = time.monotonic()
    try:
        leg = await open_leg(way, own(way, name, Secret(new_id().encode())), Caller(origin, "check"))
    except BackendFailure as failure:
        if failure.kind is not FailureKind.REFUSED:
            raise
        return time.monotonic() - started
    leg.abort()
    raise _Open


def _made_up(settings: Settings) -> AccountName:
    return AccountName(f"check-{new_id()}@{settings.names.domain or 'mailguard-probe.invalid'}")


def _nobody() -> Origin:
    """The client that a trusting store is told of: no user's address, and a new network each time. A store that
    makes an address wait longer with each failure would slow the next check down otherwise."""
    return Origin(IPv6Address(_DOCUMENTATION + secrets.randbits(32) * 2**64 + 1), 1)
