"""The revocation poll: what another process revoked ends sessions here within a second."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mailguard.auth.ports import StoreUnavailable
from mailguard.keyring import KeysError
from mailguard.store.revocations import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mailguard.store.revocations import Revocation, Revocations

log = logging.getLogger("mailguard.jobs")

POLL_SECONDS = 0.25


class RevocationPoll:
    """Applies every revocation after `seen`. The one polling loop: `PRAGMA data_version` costs microseconds."""

    def __init__(
        self,
        revocations: Revocations,
        apply: Callable[[Iterable[Revocation]], int],
        reread_keys: Callable[[], None],
        *,
        seen: int,
    ) -> None:
        self._revocations = revocations
        self._apply = apply
        self._reread_keys = reread_keys
        self._keys_behind = False  # the key file has changed and could not be read
        self._seen = seen
        self._behind = False  # a change was noticed and could not be read

    async def look(self) -> None:
        """Once: is anything new, and whom does it end?"""
        if await self._revocations.changed() or self._behind:
            await self._follow()
        if self._keys_behind:
            self._take_keys_over()

    async def _follow(self) -> None:
        self._behind = True
        fresh = await self._revocations.after(self._seen)
        self._behind = False
        if fresh:
            self._seen = fresh[-1].seq
            ended = self._apply(fresh)
            log.info("revocations applied", extra={"up_to": self._seen, "sessions_ended": ended})
            self._keys_behind |= any(revocation.kind is Kind.KEYS for revocation in fresh)

    def _take_keys_over(self) -> None:
        try:
            self._reread_keys()
        except KeysError as trouble:  # looked at again: until then new rows would hang on an old generation
            raise StoreUnavailable(str(trouble)) from None
        self._keys_behind = False
        log.info("keys read again")
