"""Notices on their way out: which letter is due, claimed by one process, and what became of it.

A claim counts as a try and sets the next one before anything is sent. A process that is killed between the sending
and the note of it costs one letter more, with the same Message-ID, after the pause; never one after another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Integer, bindparam, delete, exists, func, literal_column, select, update

from mailguard.auth.attempt import Reason
from mailguard.auth.events import Event
from mailguard.auth.notices import Failing, Notice, NoticeKind, Occasion, tells_all
from mailguard.auth.ports import AuditRow
from mailguard.config.kinds import is_mailbox
from mailguard.store import audit, outbox, programs, refusals
from mailguard.store.macs import fits
from mailguard.store.schema import accounts, addresses, notices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, RowMapping

    from mailguard.store.administration import Administration
    from mailguard.store.refusals import Refusals

FIRST_PAUSE, LONGEST_PAUSE = 60.0, 4 * 3600.0  # between tries; each is twice the one before
GIVE_UP_SECONDS = 5 * 24 * 3600.0  # RFC 5321 §4.5.4.1
KEPT_SECONDS = 400 * 24 * 3600.0  # no grant lasts longer, and a replay is told once
MOST_IN_ONE = 20
NOBODY = "nobody to tell: no active second address, and notify.organisation is empty"


@dataclass(frozen=True, slots=True)
class Letter:
    """What is told to the same people at the same time. `id` stays the same at every try."""

    id: str
    account: str
    recipients: tuple[str, ...]
    notices: tuple[Notice, ...]


_c = notices.c
_PUT_DOWN: ColumnElement[int] = literal_column("notices.rowid", Integer)  # in the order of it, within one moment
_DUE = _c.next_at <= bindparam("now")
_ANY_DUE = select(exists().where(_DUE))
_FIRST = select(notices).where(_DUE).order_by(_c.next_at, _c.at, _PUT_DOWN).limit(1)
_ALIKE = (
    select(notices)
    .where(_DUE, _c.letter == "", _c.account == bindparam("owner"), _c.recipients == bindparam("told_to"))
    .order_by(_c.at, _PUT_DOWN)
    .limit(MOST_IN_ONE)
)
_OF_LETTER = select(notices).where(_c.letter == bindparam("tried"), _c.next_at.is_not(None)).order_by(_c.at, _PUT_DOWN)
_CLAIM = update(notices).where(_c.id == bindparam("due"))
_SETTLE = update(notices).where(_c.letter == bindparam("tried"), _c.next_at.is_not(None))
_SHELVE = update(notices).where(_DUE).values(next_at=None, error=bindparam("why"))
_WAITING = select(notices).where(_c.tries > 0, _c.next_at.is_not(None)).order_by(_c.at).limit(1)
_UNSENT = select(func.count()).where(_c.next_at.is_not(None))
_TOLD_TO = (
    select(addresses)
    .join(accounts, accounts.c.id == addresses.c.account_id)
    .where(
        accounts.c.name.in_(bindparam("names", expanding=True)),
        addresses.c.address.in_(bindparam("told_to", expanding=True)),
    )
)


class Notices:
    """The outbox, as the job that empties it sees it."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def tell(self, why: Occasion, notice: Notice) -> bool:
        """Put down what no event tells of; False where its owner was told of the same a moment ago."""
        return await self._by.database.write(lambda connection: outbox.put(connection, why, notice))

    async def refused_since(self, since: float) -> tuple[Refusals, ...]:
        """Every device of an account that was refused since then."""
        return await refusals.refused_since(self._by.database, since)

    async def named(self, found: Sequence[Refusals]) -> tuple[Failing, ...]:
        """The same, with what is known of the program and of the app password."""
        return await refusals.named(self._by.database, found)

    async def claim(self, organisation: str) -> Letter | None:
        """The letter that is due and no other process has in hand; None where there is none.

        `organisation` is told where there is no second address, and of what everybody is told of.
        """
        now = self._by.now()
        # Every process asks every few seconds, mostly in vain: no writing transaction for a no.
        if not await self._by.database.read(lambda connection: connection.execute(_ANY_DUE, {"now": now}).scalar()):
            return None
        return await self._by.database.write(lambda connection: self._claim(connection, organisation, now))

    def _claim(self, connection: Connection, organisation: str, now: float) -> Letter | None:
        while (first := connection.execute(_FIRST, {"now": now}).mappings().first()) is not None:
            rows = self._rows(connection, first, now)
            told = tuple(_notice(row) for row in rows)
            recipients = tuple(first[_c.recipients].split())
            if not first[_c.letter]:
                told = tuple(_with_client(connection, notice) for notice in told)
                recipients = _everybody(self._vouched(connection, recipients, told, now), told, organisation)
            letter = Letter(first[_c.letter] or rows[0][_c.id], first[_c.account], recipients, told)
            again = {
                "letter": letter.id,
                "recipients": " ".join(recipients),
                "tries": first[_c.tries] + 1,
                "next_at": now + min(FIRST_PAUSE * 2 ** min(first[_c.tries], 16), LONGEST_PAUSE),
            }
            for row, notice in zip(rows, told, strict=True):
                # With its facts: the letter must be the same at every try.
                connection.execute(_CLAIM, {"due": row[_c.id], "facts": outbox.facts(notice), **again})
            if recipients and now - told[0].at < GIVE_UP_SECONDS:
                return letter
            self._give_up(connection, letter, first[_c.error] if recipients else NOBODY)
        return None

    def _rows(self, connection: Connection, first: RowMapping, now: float) -> Sequence[RowMapping]:
        """Everything that goes out in one letter with `first`: what did so at an earlier try, or what is alike."""
        if first[_c.letter]:
            return connection.execute(_OF_LETTER, {"tried": first[_c.letter]}).mappings().all()
        alike = {"now": now, "owner": first[_c.account], "told_to": first[_c.recipients]}
        return connection.execute(_ALIKE, alike).mappings().all()

    def _vouched(
        self, connection: Connection, recipients: tuple[str, ...], told: tuple[Notice, ...], now: float
    ) -> tuple[str, ...]:
        """Without addresses that somebody wrote into the records behind our back. Those removed since stay."""
        names = {told[0].account, *(notice.person for notice in told if notice.person)}
        there = connection.execute(_TOLD_TO, {"names": sorted(names), "told_to": recipients}).mappings().all()
        altered = [row for row in there if not fits(self._by.seal, addresses, row)]
        for row in altered:
            alarm = audit.altered(addresses.name, row[addresses.c.id], now, account=told[0].account)
            audit.append(connection, alarm)
        strangers = {row[addresses.c.address] for row in altered}
        return tuple(recipient for recipient in recipients if recipient not in strangers)

    async def sent(self, letter: Letter, refused: Mapping[str, str], later: Mapping[str, str]) -> None:
        """It was taken for its recipients, apart from those `refused` for good and those to be tried `later`."""
        taken = [recipient for recipient in letter.recipients if recipient not in (refused.keys() | later.keys())]

        def work(connection: Connection) -> None:
            now = self._by.now()
            error = "; ".join(f"{recipient}: {answer}" for recipient, answer in {**refused, **later}.items())
            if later:
                left = {"recipients": " ".join(later), "error": error}
                connection.execute(_SETTLE, {"tried": letter.id, **left})
            else:
                sent_at = now if taken else None
                connection.execute(_SETTLE, {"tried": letter.id, "next_at": None, "sent_at": sent_at, "error": error})
            if taken:
                self._record(connection, Event.NOTICE_SENT, letter, f"to {', '.join(taken)}")
            if refused:
                self._record(connection, Event.NOTICE_FAILED, letter, error)

        await self._by.database.write(work)

    async def failed(self, letter: Letter, error: str) -> float:
        """Nobody took it. It is tried again, until it is given up. When that was, in UTC seconds."""

        def work(connection: Connection) -> float:
            connection.execute(_SETTLE, {"tried": letter.id, "error": error})
            return self._by.now()

        return await self._by.database.write(work)

    async def sent_since(self, moment: float) -> bool:
        """Did any process send a letter after this moment?"""
        query = select(exists().where(_c.sent_at > moment))
        return bool(await self._by.database.read(lambda connection: connection.execute(query).scalar()))

    async def shelve(self, why: str) -> None:
        """Nothing that is due is sent, and nobody waits for it: no letters are wanted here."""
        due = {"now": self._by.now()}
        if await self._by.database.read(lambda connection: connection.execute(_ANY_DUE, due).scalar()):
            await self._by.database.write(lambda connection: connection.execute(_SHELVE, {**due, "why": why}))

    async def waiting(self) -> int:
        """How many are to be sent, or to be tried again."""
        return int(await self._by.database.read(lambda connection: connection.execute(_UNSENT).scalar_one()))

    async def stuck(self) -> str:
        """Why the oldest letter that was tried and not taken is still here; "" where none is."""
        row = await self._by.database.read(lambda connection: connection.execute(_WAITING).mappings().first())
        return "" if row is None else str(row[_c.error])

    def _give_up(self, connection: Connection, letter: Letter, error: str) -> None:
        connection.execute(_SETTLE, {"tried": letter.id, "next_at": None, "error": error})
        self._record(connection, Event.NOTICE_FAILED, letter, error or "no process came to send it in time")

    def _record(self, connection: Connection, event: Event, letter: Letter, how: str) -> None:
        about = ", ".join(dict.fromkeys(notice.kind for notice in letter.notices))
        row = AuditRow(
            event,
            self._by.now(),
            account=letter.account,
            actor="system",
            credential=letter.id,
            detail=f"{about} {how}",
        )
        audit.append(connection, row)


def purge(connection: Connection, now: float) -> None:
    """Forget what was told so long ago that it may be told again."""
    connection.execute(delete(notices).where(_c.next_at.is_(None), _c.at < now - KEPT_SECONDS))


def _everybody(recipients: tuple[str, ...], told: tuple[Notice, ...], organisation: str) -> tuple[str, ...]:
    """Who hears of it in the end; never the protected mailbox alone."""
    account = told[0].account
    to_all = any(map(tells_all, told))
    if organisation and (to_all or not recipients):
        recipients = (*recipients, organisation)
    others = tuple(dict.fromkeys(each for each in recipients if each.casefold() != account))
    return (*others, account) if to_all and others and is_mailbox(account) else others


def _with_client(connection: Connection, notice: Notice) -> Notice:
    if notice.kind not in outbox.NAMES_ITSELF_WITHIN or notice.client:
        return notice
    return replace(notice, client=programs.named_itself(connection, notice.account, notice.address, notice.at))


def _notice(row: RowMapping) -> Notice:
    facts = json.loads(row[_c.facts])
    failing = tuple(Failing(**{**each, "reason": Reason(each["reason"])}) for each in facts.pop("failing", ()))
    return replace(Notice(NoticeKind(row[_c.kind]), row[_c.account], row[_c.at], **facts), failing=failing)
