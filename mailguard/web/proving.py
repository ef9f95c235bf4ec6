"""The account's own password, typed once more by whoever is signed in: where an app password must bring it along."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mailguard.auth.attempt import Reason, Refused
from mailguard.auth.authenticator import new_session_id
from mailguard.auth.ports import temporary
from mailguard.auth.signin import Presented
from mailguard.secret import Secret

if TYPE_CHECKING:
    from mailguard.auth.standing import Proven
    from mailguard.web.visit import Visit


async def proven(visit: Visit, password: str) -> Proven | Refused:
    """Ask whether it is right. It counts like a sign-in, and a refusal leaves when those do."""
    house = visit.house
    loop = asyncio.get_running_loop()
    arrived, session = loop.time(), new_session_id()
    presented = Presented(visit.signed.name, Secret(password.encode()), Secret(b""))
    attempt = house.sign_ins.attempt(presented, visit.origin, session)
    answer = await attempt.prove(visit.signed, house.asking(visit.origin, session))
    if isinstance(answer, Refused):
        await asyncio.sleep(max(0.0, arrived + house.settings.throttle.failure_delay - loop.time()))
    return answer


def said(refused: Refused) -> str:
    """What a page says of a refusal: the key of a text."""
    if refused.reason in (Reason.THROTTLED, Reason.LOCKED):
        return "sign-in.throttled"
    return "devices.unavailable" if temporary(refused.reason) else "devices.wrong_password"
