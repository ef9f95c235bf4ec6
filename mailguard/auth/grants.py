"""Whom a grant lets in: the same string, from one IPv4 address and one IPv6 network.

A dual-stack client opens its connections over both families at once, so the family that a grant was not opened from
may join it once, and soon. Later it would be somebody else's way in.
"""

from enum import Enum, unique

from mailguard.auth.accounts import Grant
from mailguard.auth.attempt import Origin

SECOND_FAMILY_SECONDS = 120.0


@unique
class Reach(Enum):
    """Where a login comes from, as the grant of its string sees it."""

    HERE = "here"
    JOINING = "joining"  # the other IP family, for the first time and soon enough
    ELSEWHERE = "elsewhere"  # a replay


def reach(grant: Grant, origin: Origin, now: float) -> Reach:
    """Does this grant hold where the login comes from? A permit holds at its one address alone."""
    if origin.network in (grant.network, grant.second):
        return Reach.HERE
    other_family = (":" in grant.network) != (origin.address.version == 6)
    if grant.single or grant.second or not other_family:
        return Reach.ELSEWHERE
    return Reach.JOINING if now < grant.opened_at + SECOND_FAMILY_SECONDS else Reach.ELSEWHERE
