"""A directory (LDAP) as the identity source: search, then bind; in a few threads of its own.

libldap blocks. A directory that hangs holds these threads up and no others, and never the event loop: whoever asks
meanwhile hears UNAVAILABLE at once.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from mailguard.auth.attempt import Answer, Reason, Verdict
from mailguard.identity.entry import DirectoryTrouble, Seen, Standing, disabled, known_as, mark
from mailguard.identity.talk import talking

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping

    from mailguard.auth.accounts import AccountName
    from mailguard.config import IdentityLdap
    from mailguard.identity.entry import Entry
    from mailguard.identity.talk import Talk
    from mailguard.secret import Secret

T = TypeVar("T")

THREADS = 8  # questions at once, in each process
QUEUE_SECONDS = 1.0  # that a question waits for a thread
ANSWER_SECONDS = 8.0  # that a question may last, and with it its thread
BATCH_SECONDS = 60.0
BATCH = 50  # names that are looked at over one connection

NO = Answer(Verdict.NO)


class Directory:
    """Asks one directory. `now` gives UTC seconds: entries have a date at which they expire."""

    def __init__(
        self, table: IdentityLdap, context: ssl.SSLContext, secret: Secret | None, now: Callable[[], float]
    ) -> None:
        self._table = table
        self._context = context
        self._secret = secret
        self._now = now
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="directory")
        self._places = asyncio.Semaphore(THREADS)

    async def ask(self, name: AccountName, password: Secret) -> Answer:
        """Is this the user's password? A name with no entry, or with several, gets a no."""
        if not password:
            return NO
        try:
            return await self._run(partial(self._verified, name, password), ANSWER_SECONDS)
        except DirectoryTrouble as trouble:
            return Answer(Verdict.UNAVAILABLE, Reason.IDENTITY_UNAVAILABLE, str(trouble))

    async def observe(self, names: Iterable[AccountName]) -> Mapping[AccountName, Seen]:
        """What the directory says about each of these; a name with several entries is left out.

        Raises DirectoryTrouble unless all of them could be looked at.
        """
        seen: dict[AccountName, Seen] = {}
        waiting = list(names)
        while waiting:
            batch, waiting = waiting[:BATCH], waiting[BATCH:]
            seen |= await self._run(partial(self._observed, batch), BATCH_SECONDS)
        return seen

    def _verified(self, name: AccountName, password: Secret) -> Answer:
        with talking(self._table, self._context, self._secret, ANSWER_SECONDS) as talk:
            found = talk.find(name)
            if len(found) != 1:
                return Answer(Verdict.NO, detail="several entries fit the name" if found else "no entry fits the name")
            (entry,) = found
            group = talk.group(entry)
            if not talk.takes(entry, password):
                return NO
        if disabled(entry, self._now()):  # some directories let closed accounts bind
            return Answer(Verdict.NO, detail="its entry is disabled")
        if not known_as(entry, name):
            return Answer(Verdict.YES, detail="its entry has other addresses", group=group, another=True)
        return Answer(Verdict.YES, group=group)

    def _observed(self, names: list[AccountName]) -> dict[AccountName, Seen]:
        with talking(self._table, self._context, self._secret, BATCH_SECONDS) as talk:
            found = {name: talk.find(name) for name in names}
            return {name: self._seen(talk, entries) for name, entries in found.items() if len(entries) < 2}

    def _seen(self, talk: Talk, entries: list[Entry]) -> Seen:
        if not entries:
            return Seen(Standing.GONE)
        standing = Standing.DISABLED if disabled(entries[0], self._now()) else Standing.ACTIVE
        return Seen(standing, mark(entries[0]), talk.group(entries[0]))

    async def _run(self, work: Callable[[], T], seconds: float) -> T:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise DirectoryTrouble(f"{self._table.url}: every thread still waits for its answers") from None
        running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        running.add_done_callback(self._over)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(running)
        except TimeoutError:
            raise DirectoryTrouble(f"{self._table.url}: no answer in time") from None

    def _over(self, running: asyncio.Future[T]) -> None:
        self._places.release()
        if not running.cancelled():
            running.exception()  # heard, even where nobody waits any more
