"""Does the store take the master that speaks for every user?"""

from __future__ import annotations

import time
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from mailguard.auth.attempt import Origin
from mailguard.backends.dial import open_leg
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.login import master
from mailguard.backends.target import Caller
from mailguard.checks.findings import REMEDIES, Finding, Level, fail, ok

if TYPE_CHECKING:
    from mailguard.auth.accounts import AccountName
    from mailguard.backends.target import Target

TRIED = 3  # accounts; one mailbox alone may be missing at the store


async def speaks(way: Target, accounts: tuple[AccountName, ...]) -> Finding:
    """Log in as master for the first accounts until one is let in, and leave at once. No mailbox is opened."""
    refused = ""
    for name in accounts[:TRIED]:
        started = time.monotonic()
        try:
            leg = await open_leg(way, master(way, name), Caller(Origin(IPv6Address("2001:db8::1"), 1), "check"))
        except BackendFailure as failure:
            if failure.kind is not FailureKind.REFUSED:
                return fail(f"{failure.text} (at the master login)", REMEDIES[failure.kind])
            refused = failure.text
            continue
        leg.abort()
        return ok(f"{way} takes the master login for {name} after {time.monotonic() - started:.1f} s")
    if not refused:
        return Finding(
            Level.NOTE,
            f"whether {way} takes the master login cannot be tried: no person has an account yet",
            "check again once there is one: mailguard account add ADDRESS",
        )
    return fail(
        f"{refused} (at the master login, for {len(accounts[:TRIED])} accounts)",
        "nobody gets in: compare master_user, master_form and master_secret_file with the store, and the address that "
        "it lets the master come from (Dovecot: allow_real_nets)",
    )
