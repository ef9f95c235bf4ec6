"""The live sessions of this process: listed, named, ended from outside."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.auth.attempt import Client
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow, StoreUnavailable
from mailguard.store.sessions import SessionRow

if TYPE_CHECKING:
    from mailguard.auth.attempt import Admission, MailProtocol, Origin
    from mailguard.auth.policy import Policies
    from mailguard.net.relay import RelayEnd
    from mailguard.proxy.parting import Parting
    from mailguard.store.revocations import Revocation
    from mailguard.store.sessions import Sessions


SILENCE_GRAIN = 1.0  # seconds
CLIENT_LOCK = "client-lock"  # why a session ended whose client gave another name than its app password is bound to
POLICY = "policy"  # why one ended that is not allowed any more


@dataclass(slots=True)
class Live:
    """One admitted session. `abort` cuts its sockets at once, whatever stage it is in."""

    id: str
    admission: Admission
    protocol: MailProtocol
    origin: Origin
    started_at: float
    abort: Callable[[], None]
    client: Client = Client()  # noqa: RUF009  (frozen)
    heard: bool = False  # what the client calls itself has been passed on, or that it will not say
    silence: Callable[[], float] = lambda: 0.0  # seconds since anything last moved
    rest: Callable[[], float] = lambda: 0.0  # seconds for which nothing has been under way
    carried: Callable[[], tuple[int, int]] = lambda: (0, 0)  # octets so far: to the store, to the client
    ended: str = ""  # why it was ended from outside

    def end(self, why: str) -> None:
        """End it now. Never by a write: that would land in the middle of a literal."""
        if not self.ended:
            self.ended = why
            self.abort()


class Registry:
    """Sessions by id. Registering comes before the last look at the revocations, so none can slip between."""

    def __init__(self, pid: int, now: Callable[[], float]) -> None:
        self._pid = pid
        self._now = now
        self._live: dict[str, Live] = {}
        self._opened: list[SessionRow] = []
        self._named: dict[str, Client] = {}
        self._ended: list[tuple[str, AuditRow]] = []
        self._seen: dict[str, float] = {}
        self._protocols: Counter[MailProtocol] = Counter()
        self._carried = (0, 0)  # by sessions that are over
        self.followed = 0  # the last revocation that was applied: a session is registered in time for every later one

    def __len__(self) -> int:
        return len(self._live)

    def count(self, protocol: MailProtocol) -> int:
        """The sessions of one protocol."""
        return self._protocols[protocol]

    def relayed(self) -> tuple[int, int]:
        """Octets that all sessions have passed on, those that are over included: to stores, to clients."""
        to_stores, to_clients = self._carried
        for live in self._live.values():
            to_store, to_client = live.carried()
            to_stores, to_clients = to_stores + to_store, to_clients + to_client
        return to_stores, to_clients

    def register(self, live: Live) -> None:
        """Add a session; from here on it can be ended from outside."""
        self._live[live.id] = live
        self._protocols[live.protocol] += 1
        admission = live.admission
        if admission.factor.by_code:  # listed in the transaction of its login
            return
        self._opened.append(
            SessionRow(
                id=live.id,
                account=admission.name,
                protocol=live.protocol,
                address=str(live.origin.address),
                port=live.origin.port,
                pid=self._pid,
                factor=admission.factor,
                credential=admission.credential,
                device=admission.device,
                grant="",
                person=admission.person_name,
                client=str(live.client),
                started_at=live.started_at,
                seen_at=live.started_at,
            )
        )

    def name(self, session: str, client: Client) -> None:
        """The client has said what it is, or will not. Under a client lock another name than the bound one ends it."""
        live = self._live.get(session)
        if live is None or live.heard or not (client or live.admission.client_lock):
            return
        live.client, live.heard = client, True
        self._named[session] = client
        bound = live.admission.client_bound
        if bound and client.name not in ("", bound):
            live.end(CLIENT_LOCK)

    def closed(self, live: Live, why: str, end: RelayEnd | None) -> None:
        """A session is over, by itself or by `end`."""
        if end is not None:  # it was relayed, to the end without a name
            self.name(live.id, live.client)
        if self._live.pop(live.id, None) is None:
            return
        self._seen.pop(live.id, None)
        self._protocols[live.protocol] -= 1
        to_store, to_client = live.carried()
        self._carried = (self._carried[0] + to_store, self._carried[1] + to_client)
        seconds = max(0, round(self._now() - live.started_at))
        counts = f", {end.to_store} octets to the store, {end.to_client} to the client" if end is not None else ""
        row = AuditRow(
            event=Event.SESSION_ENDED,
            at=self._now(),
            account=live.admission.name,
            person=live.admission.person_name,
            origin=live.origin,
            protocol=live.protocol,
            factor=live.admission.factor,
            credential=live.admission.credential,
            session=live.id,
            reason=live.ended or why,
            client=str(live.client),
            detail=f"after {seconds} s{counts}",
            daily=live.admission.daily,
        )
        self._ended.append((live.id, row))

    def apply(self, revocations: Iterable[Revocation]) -> int:
        """End every session that stands on something revoked; how many."""
        new = tuple(revocations)
        self.followed = max((revocation.seq for revocation in new), default=self.followed)
        fallen = [live for live in self._live.values() if not live.ended and any(_ended_by(live, r) for r in new)]
        for live in fallen:
            live.end("revoked")
        return len(fallen)

    def judge(self, policies: Policies, now: float) -> int:
        """End every session that the policies of now would not let in; how many."""
        fallen = [
            live
            for live in self._live.values()
            if not live.ended and not policies.still_allow(live.admission, live.origin, now)
        ]
        for live in fallen:
            live.end(POLICY)
        return len(fallen)

    async def tell_silence(self, sessions: Sessions) -> None:
        """Write when something last moved in the sessions of grants: at their cap, who was silent longest is ended."""
        moved = {}
        for live in self._live.values():
            if live.admission.factor.by_code and not live.ended:
                at = self._now() - live.silence()
                if at > self._seen.get(live.id, live.started_at) + SILENCE_GRAIN:
                    moved[live.id] = at
        await sessions.seen(moved)
        self._seen.update(moved)

    async def forget_strays(self, sessions: Sessions) -> None:
        """Take off the shared list what this process never got to have."""
        await sessions.forget_strays(self._pid, self._live.keys())

    def part(self, parting: Parting, now: float, why: str) -> None:
        """End those whose turn it is in a drain."""
        standing = ((live.rest(), live) for live in self._live.values() if not live.ended)
        for live in parting.leave(standing, now):
            live.end(why)

    def end_all(self, why: str) -> None:
        """End what is left, at the end of a drain."""
        for live in list(self._live.values()):
            live.end(why)

    async def flush(self, sessions: Sessions) -> None:
        """Write what the shared list does not know yet. StoreUnavailable: what could not be written waits."""
        # Both now: whoever comes and goes while this is being written would be taken off the list before it is on it.
        opened, self._opened = self._opened, []
        ended, self._ended = self._ended, []
        # Asked for at once, so that all wait for the same commit.
        names = [self._flush_name(sessions, session) for session in self._named]
        listed, *named, unlisted = await asyncio.gather(
            sessions.opened(opened), *names, sessions.ended(ended), return_exceptions=True
        )
        if isinstance(listed, StoreUnavailable):
            self._opened = opened + self._opened
        if isinstance(unlisted, StoreUnavailable):
            self._ended = ended + self._ended
        for trouble in (listed, *named, unlisted):
            if isinstance(trouble, BaseException):
                raise trouble

    async def _flush_name(self, sessions: Sessions, session: str) -> None:
        holds = await sessions.named(session, self._named[session])
        self._named.pop(session, None)
        live = self._live.get(session)
        if live is not None and not holds:
            live.end(CLIENT_LOCK)


def _ended_by(live: Live, revocation: Revocation) -> bool:
    admission = live.admission
    return revocation.ends(
        session=live.id,
        account=admission.account_id,
        credential=admission.credential,
        device=admission.device,
        person=admission.person,
        password=admission.account_id if admission.factor.by_password else "",
        bare=admission.account_id if admission.factor.bare else "",
    )
