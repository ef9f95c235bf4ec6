"""Where acts on other people's accounts are done: each passes the gate in the transaction of the change itself.

An administrator who was demoted a second ago, an account that was given a role meanwhile, a key that was revoked: the
records say so there, not when the page was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from mailguard.admin.acting import Acting, Means
from mailguard.admin.gate import DANGEROUS, Act, Denial, may
from mailguard.auth.accounts import Account
from mailguard.auth.attempt import Factor
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.auth.roles import Role
from mailguard.auth.standing import Standing
from mailguard.store import ChangeRefused, api_keys
from mailguard.store.accounts import is_last_owner
from mailguard.store.errors import Absent, FreshNeeded, KeyEnded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection

    from mailguard.auth.accounts import AccountName
    from mailguard.auth.attempt import MailProtocol
    from mailguard.auth.policy import Policies
    from mailguard.auth.ports import Beside
    from mailguard.auth.standing import SignedIn
    from mailguard.config import Policy
    from mailguard.keyring import Keyring
    from mailguard.store import Store
    from mailguard.store.administration import Administration
    from mailguard.store.changes import Changes


T = TypeVar("T")

_AT_HAND = frozenset({Factor.CODE, Factor.PASSKEY})
_NO_ROLE = "you are no administrator (any more): an owner gives roles"


class NotAllowed(ChangeRefused):
    """The gate said no. `why` is which no it was."""

    def __init__(self, why: Denial) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class Bureau:
    """What every act needs. A reload of the configuration makes a new one."""

    store: Store
    keyring: Keyring
    now: Callable[[], float]
    policies: Policies
    limits: Policy  # which groups there are, how many app passwords and for how long
    protocols: frozenset[MailProtocol]  # that there is a mail store for
    canonical: Callable[[str], AccountName]  # raises auth.names.NameRefused
    beside: Beside
    public_url: str  # of the portal

    async def signed_in(self, signed: SignedIn) -> Acting:
        """The administrator who signed in. ChangeRefused where they are none, or showed no factor."""
        if signed.standing is not Standing.FULL or signed.factor is Factor.BYPASS:
            raise ChangeRefused("an administrator signs in with a second factor: sign in again")
        actor = f"administrator:{signed.name}"
        asks = Acting(Means.SIGN_IN, actor, Role.NONE, account_id=signed.account_id, name=signed.name, signed=signed)
        return await self.store.by.database.read(lambda connection: self._today(connection, asks))

    async def reads(self, acting: Acting) -> Acting:
        """Who acts, as of now; NotAllowed unless they may look at accounts and the record, within their limit."""
        current = await self.store.by.database.read(lambda connection: self._today(connection, acting))
        _demand(may(current, Act.READ, None))
        return current

    async def lets(self, acting: Acting, act: Act, account: Account) -> None:
        """NotAllowed unless they may do this to such an account now: before anything is told of it."""
        _demand(may(await self.store.by.database.read(lambda c: self._today(c, acting)), act, account))

    async def reads_of(self, acting: Acting, name: AccountName) -> Account:
        """The account of this name. NotAllowed where it is not within the limit of whoever acts, in the same words
        whether there is one or not."""
        current, account = await self.reads(acting), await self.store.accounts.get(name)
        if account is None and may(current, Act.READ, nobody(name)) is None:
            raise Absent(f"there is no account {name}: see `mailguard account list`")
        _demand(may(current, Act.READ, account or nobody(name)))
        return account or nobody(name)

    async def do(
        self,
        acting: Acting,
        acts: Act | tuple[Act, ...],
        whose: Callable[[Administration, Connection], Account | None],
        work: Callable[[Changes], Awaitable[T]],
        *,
        becomes: Callable[[Account], Account] | None = None,
    ) -> T:
        """Do what `work` does, if the gate lets them at that moment. NotAllowed, which the record keeps; FreshNeeded
        where it takes a sign-in of the last minutes; and whatever the change itself refuses."""
        wanted = (acts,) if isinstance(acts, Act) else acts
        self.demand_fresh(acting, *wanted)
        met: list[str] = []

        def check(connection: Connection) -> None:
            by = self.store.by
            current, account = self._today(connection, acting), whose(by, connection)
            met[:] = [account.name] if account is not None else []
            last = account is not None and is_last_owner(by, connection, account)
            for act in wanted:
                after = None if becomes is None or account is None else becomes(account)
                _demand(may(current, act, account, after, last_owner=last))

        try:
            return await work(self.store.checked(check))
        except NotAllowed as refused:
            await self._record(acting, wanted, "".join(met), refused.why)
            raise

    def demand_fresh(self, acting: Acting, *acts: Act) -> None:
        """FreshNeeded where one of these takes a sign-in of the last minutes, with a code or a passkey: a sheet of
        recovery codes is found in a drawer."""
        signed = acting.signed
        if signed is None or DANGEROUS.isdisjoint(acts):
            return
        if signed.factor not in _AT_HAND or not signed.fresh(self.now()):
            raise FreshNeeded("this takes a sign-in of the last five minutes, with a code or a passkey: sign in again")

    def _today(self, connection: Connection, acting: Acting) -> Acting:
        """Who acts, with the role and the limit that they have now."""
        match acting.means:
            case Means.OPERATOR:
                return acting
            case Means.SIGN_IN:
                return self._signed_in_today(connection, acting)
            case Means.API_KEY:
                key = api_keys.today(self.store.by, connection, acting.key)
                if key is None:
                    raise KeyEnded(api_keys.ENDED)
                return replace(acting, role=key.role, limit=key.limit, scopes=key.scopes)

    def _signed_in_today(self, connection: Connection, acting: Acting) -> Acting:
        signed = acting.signed
        if signed is None or (signed.until is not None and self.now() >= signed.until):
            raise ChangeRefused("this sign-in has ended: sign in again")
        account = self.store.by.demand(connection, signed.name, signed=signed)
        if account.suspended or not account.administrator:
            raise ChangeRefused(_NO_ROLE)
        return replace(acting, role=account.role, limit=account.role_limit)

    async def _record(self, acting: Acting, acts: tuple[Act, ...], account: str, why: Denial) -> None:
        row = AuditRow(
            Event.ACT_REFUSED,
            self.now(),
            account=account,
            actor=acting.actor,
            reason=why.name.lower().replace("_", "-"),
            detail=", ".join(acts),
        )
        await self.store.audit.refused(row)


def nobody(name: AccountName) -> Account:
    """In place of an account that there is not (yet)."""
    return Account("", name)


def named(name: AccountName) -> Callable[[Administration, Connection], Account | None]:
    """The account of a name."""
    return lambda by, connection: by.find(connection, name) or nobody(name)


def everybody(_by: Administration, _connection: Connection) -> None:
    """No one account."""


def _demand(denial: Denial | None) -> None:
    if denial is not None:
        raise NotAllowed(denial)
