"""Everything about one address that an explanation turns on, read from the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailguard.auth.attempt import Factor, MailProtocol
from mailguard.auth.events import Event
from mailguard.explain.troubles import Kind, Trouble, troubles

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailguard.auth.accounts import Account, AccountName, AppPassword
    from mailguard.store.audit import Recorded
    from mailguard.store.probes import ProbeRow
    from mailguard.store.store import Store

MOST = 20_000  # rows of the record that are looked through
NEIGHBOURS = 3
CLOCK_SLACK = 60.0


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An account that is refused again and again from the same network."""

    account: str
    times: int


@dataclass(frozen=True, slots=True)
class Case:
    """What is known. Times are UTC seconds; `account` is None where there is none of this name."""

    name: AccountName
    account: Account | None
    since: float
    now: float
    troubles: tuple[Trouble, ...] = ()
    let_in_at: float | None = None  # the newest login or sign-in that passed
    tried: bool = False  # anybody signed in, or tried to
    app_passwords: Mapping[str, AppPassword] = field(default_factory=dict)  # by id
    probes: Mapping[MailProtocol, ProbeRow] = field(default_factory=dict)
    neighbours: tuple[Neighbour, ...] = ()  # at the networks of a throttled login
    code_taken_at: float | None = None  # anybody's code was right: then our clock was too
    clock_behind: float = 0.0  # seconds behind the newest row of the record


async def read(store: Store, name: AccountName, since: float, now: float) -> Case:
    """The case of one address. Raises StoreUnavailable."""
    account = await store.accounts.get(name)
    rows = (*await store.audit.list(name, since, MOST), *await store.audit.held(name, since))
    passwords = await store.app_passwords.list(name) if account is not None else ()
    everybody = await store.audit.list(since=since, limit=MOST)
    found = troubles(rows)
    passed = [each for each in rows if each.row.event in (Event.LOGIN_GRANTED, Event.SIGN_IN_GRANTED)]
    tried = bool(found or passed)
    probes = {protocol: await store.probes.read(protocol) for protocol in MailProtocol}
    newest = await store.audit.newest()
    return Case(
        name=name,
        account=account,
        since=since,
        now=now,
        troubles=found,
        let_in_at=max((each.last_at for each in passed), default=None),
        tried=tried,
        app_passwords={each.id: each for each in passwords},
        probes={protocol: row for protocol, row in probes.items() if row is not None},
        neighbours=_neighbours(found, everybody, name),
        code_taken_at=max((each.last_at for each in everybody if _by_code(each)), default=None),
        clock_behind=newest - now if newest > now + CLOCK_SLACK else 0.0,
    )


def _by_code(each: Recorded) -> bool:
    return each.row.event in (Event.LOGIN_GRANTED, Event.SIGN_IN_GRANTED) and each.row.factor is Factor.CODE


def _neighbours(found: Iterable[Trouble], rows: Iterable[Recorded], name: str) -> tuple[Neighbour, ...]:
    """Who else is refused where a login was put off: one device with an old password slows down a whole office."""
    places = {address for each in found if each.kind is Kind.THROTTLED for address in each.addresses}
    count: Counter[str] = Counter()
    for each in rows:
        origin = each.row.origin
        if each.row.event is Event.LOGIN_REFUSED and origin is not None and str(origin.address) in places:
            count[each.row.account] += each.repeats + 1
    del count[name]
    return tuple(Neighbour(account, times) for account, times in count.most_common(NEIGHBOURS))
