"""Sends what the outbox holds, a letter at a time, beside the sessions and never in the way of a login."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mailguard.backends.failure import BackendFailure
from mailguard.backends.post import hand_in
from mailguard.jobs.letter import compose

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailguard.jobs.letter import Office
    from mailguard.store.notices import Notices

log = logging.getLogger("mailguard.jobs")

LOOK_SECONDS = 5.0
MOST_AT_ONCE = 20  # letters before the job rests
NOT_SENT = "no letters are sent: notify.from is empty, or there is nobody to hand them to"


class LetterJob:
    """The outbox's way out. Each letter is claimed in the records, so that no two processes send it."""

    def __init__(self, notices: Notices, office: Callable[[], Office]) -> None:
        self._notices = notices
        self._office = office
        self._troubled_at: float | None = None

    async def look(self) -> None:
        """Once: send what is due."""
        office = self._office()
        post = office.post
        if post is None:
            await self._notices.shelve(NOT_SENT)
            return
        for _ in range(MOST_AT_ONCE):
            letter = await self._notices.claim(office.organisation)
            if letter is None:
                break
            try:
                messages = {to: compose(letter, to, office, post.sender) for to in letter.recipients}
                delivery = await hand_in(post, messages)
            except BackendFailure as failure:
                failed_at = await self._notices.failed(letter, failure.text)
                if self._troubled_at is None:
                    log.error("letters cannot be sent", extra={"detail": failure.text})
                self._troubled_at = failed_at
                return  # the next would fare no better
            await self._notices.sent(letter, delivery.refused, delivery.later)
            self._over()
        if self._troubled_at is not None and await self._notices.sent_since(self._troubled_at):
            self._over()  # by another process: whoever told of the trouble tells of its end

    def _over(self) -> None:
        if self._troubled_at is not None:
            log.info("letters are sent again")
        self._troubled_at = None
