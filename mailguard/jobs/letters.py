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
        self._troubled = False

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
                return
            try:
                messages = {to: compose(letter, to, office, post.sender) for to in letter.recipients}
                delivery = await hand_in(post, messages)
            except BackendFailure as failure:
                await self._notices.failed(letter, failure.text)
                self._told(failure.text)
                return  # the next would fare no better
            await self._notices.sent(letter, delivery.refused, delivery.later)
            self._told("")

    def _told(self, trouble: str) -> None:
        """Trouble is told when it begins and when it ends."""
        if trouble and not self._troubled:
            log.error("letters cannot be sent", extra={"detail": trouble})
        if not trouble and self._troubled:
            log.info("letters are sent again")
        self._troubled = bool(trouble)
