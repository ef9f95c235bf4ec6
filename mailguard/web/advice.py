"""What policy advises somebody who has no second factor yet: the banner on their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.config.choices import TwoFactor

if TYPE_CHECKING:
    from mailguard.web.visit import Visit


def of(visit: Visit) -> str:
    """The words of the banner; "" where there is none: nothing is advised, it is done already, or it is demanded and
    they see nothing else."""
    if not visit.looks:
        return ""
    desk = visit.house.desk
    policy = desk.policies.of(visit.account)
    if policy.mode(visit.account, desk.clock.now()) is not TwoFactor.WARN:
        return ""
    if policy.two_factor is TwoFactor.ENFORCE:
        return visit.say("layout.advised_until", date=policy.enforced_on())
    return visit.say("layout.advised")
