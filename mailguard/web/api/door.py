"""The door of the API: nothing behind it is reached without a key, not even the answer that there is no such page.

Only `Authorization` counts. Cookies are not looked at, so that no page of another site can make a browser act here.

Nobody is slowed down: a key has 140 bits, which are not guessed, and a limit would let a neighbour shut a program out.
What must not happen is that wrong keys fill the log or the record: they write one line a minute at most.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import Request

from mailguard.admin.keys import recognise
from mailguard.auth.ports import StoreUnavailable
from mailguard.secret import Secret
from mailguard.web.api.caller import CALLER, Caller
from mailguard.web.api.problems import no_key, unavailable
from mailguard.web.visit import origin_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from mailguard.auth.attempt import Origin
    from mailguard.web.house import Held, House

log = logging.getLogger("mailguard.web")

TOLD_SECONDS = 60.0
_SCHEME = b"bearer "


class Door:
    """Lets in whoever brings a key, as who that key says."""

    def __init__(self, app: ASGIApp, held: Held) -> None:
        self._app = app
        self._held = held
        self._wrong = _Wrong()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        house = self._held.house  # one for the whole request: a reload meanwhile is for the next
        origin = origin_of(Request(scope), house.settings.portal.proxy_from)
        try:
            caller = await _caller(house, _presented(scope), origin)
        except StoreUnavailable as error:
            await unavailable(error)(scope, receive, send)
            return
        if caller is None:
            self._wrong.came(house.bureau.now(), origin)
            await no_key()(scope, receive, send)
            return
        await self._app({**scope, CALLER: caller}, receive, send)


async def _caller(house: House, presented: Secret, origin: Origin) -> Caller | None:
    acting = await recognise(house.bureau, presented, origin)
    return None if acting is None else Caller(house, acting)


def _presented(scope: Scope) -> Secret:
    """The key of the one Authorization header; nothing where there are two: two readers could take either."""
    lines = [line.encode("latin-1") for line in Headers(scope=scope).getlist("authorization")]
    if len(lines) != 1 or lines[0][: len(_SCHEME)].lower() != _SCHEME:
        return Secret(b"")
    return Secret(lines[0][len(_SCHEME) :].strip(b" "))


class _Wrong:
    """Requests without a right key, told of once a minute, together."""

    def __init__(self) -> None:
        self._count = 0
        self._told_at = float("-inf")

    def came(self, now: float, origin: Origin) -> None:
        """One more."""
        self._count += 1
        if abs(now - self._told_at) >= TOLD_SECONDS:  # a clock set back must not silence it
            log.warning(
                "the API was asked without a right key", extra={"client": str(origin.address), "times": self._count}
            )
            self._count, self._told_at = 0, now
