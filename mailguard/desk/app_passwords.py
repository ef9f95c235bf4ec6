"""A person's own app passwords: made here, or by opening a claim link."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailguard.auth import vault
from mailguard.auth.accounts import AppPassword
from mailguard.auth.passwords import (
    digest_app_password,
    digests,
    generate_app_password,
    normalise_app_password,
    shorter,
)
from mailguard.auth.standing import Standing
from mailguard.desk.desk import OWNER
from mailguard.keyring import Purpose
from mailguard.store import ChangeRefused, new_id
from mailguard.store.claims import app_password_of

if TYPE_CHECKING:
    from mailguard.auth.accounts import Account, Network
    from mailguard.auth.attempt import MailProtocol
    from mailguard.auth.standing import Proven, SignedIn
    from mailguard.desk.desk import Desk
    from mailguard.secret import Secret

_ISSUES = (Standing.FULL, Standing.BYPASS)
_NOTHING = "this link opens nothing: it was used, its 24 hours are over, or it is another person's; ask for a new one"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the owner asks for. Lengths in seconds; None: as long as policy allows."""

    label: str
    protocols: frozenset[MailProtocol]
    networks: tuple[Network, ...] = ()
    life: float | None = None
    idle: float | None = None
    client_lock: bool = False


@dataclass(frozen=True, slots=True)
class Issued:
    """A new app password, and its secret, to be shown once."""

    row: AppPassword
    secret: Secret


async def issue(desk: Desk, signed: SignedIn, wish: Wish, proven: Proven | None = None) -> Issued:
    """Make an app password. One that is made under a bypass ends with it. Where a leg opens with the user's own
    password, ChangeRefused without one that was just `proven`: it is sealed to the new app password."""
    account = await desk.account(signed, *_ISSUES)
    now, limits = desk.clock.now(), desk.limits.of(account.group)
    life = shorter(wish.life, limits.app_password_expires)
    asked = AppPassword(
        id=new_id(),
        account_id=account.id,
        label=wish.label,
        protocols=wish.protocols,
        networks=wish.networks,
        created_at=now,
        expires_at=shorter(None if life is None else now + life, signed.until),
        idle=shorter(wish.idle, limits.app_password_idle),
        issued_by=OWNER,
        client_lock=wish.client_lock,
    )
    issued = _made(asked)
    await desk.store.app_passwords.issue(
        account.name,
        issued.row,
        digest_app_password(desk.keyring, issued.secret.reveal()),
        actor=OWNER,
        limit=limits.app_password_limit,
        store_password=_to_seal(desk, account, asked, proven),
        signed=signed,
    )
    return issued


async def redeem(desk: Desk, signed: SignedIn, token: Secret, proven: Proven | None = None) -> Issued:
    """Make the app password of a claim link, for its owner or, of a shared mailbox, for the person it names. Once."""
    account = await desk.account(signed, *_ISSUES)
    typed = normalise_app_password(token.reveal())
    found = None
    if typed is not None:
        found = await desk.store.claims.find(digests(desk.keyring, Purpose.CLAIM, typed))
    if found is None or (found[0].person_id or found[0].account_id) != account.id:
        raise ChangeRefused(_NOTHING)
    claim, mailbox = found
    of = await desk.store.accounts.get(mailbox) or account
    asked = app_password_of(claim, new_id(), desk.clock.now())
    issued = _made(replace(asked, expires_at=shorter(asked.expires_at, signed.until)))
    used = await desk.store.claims.redeem(
        mailbox,
        claim,
        issued.row,
        digest_app_password(desk.keyring, issued.secret.reveal()),
        actor=OWNER,
        signed=signed,
        limit=desk.limits.of(of.group).app_password_limit,
        store_password=_to_seal(desk, account, asked, proven),
    )
    if not used:
        raise ChangeRefused(_NOTHING)
    return issued


def _made(asked: AppPassword) -> Issued:
    secret = generate_app_password()
    return Issued(replace(asked, public=vault.public_half(secret, asked.id)), secret)


def _to_seal(desk: Desk, account: Account, asked: AppPassword, proven: Proven | None) -> Secret | None:
    """The store password. That of a shared mailbox its people do not know: an operator renews it."""
    if not asked.protocols & desk.own or asked.account_id != account.id:
        return None
    if proven is None or proven.account_id != account.id:
        raise ChangeRefused("type your password once more: the app password opens the mail store with it")
    return proven.password
