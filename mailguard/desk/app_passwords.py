"""A person's own app passwords: made here or by opening a claim link, listed, named, ended."""

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
    from mailguard.auth.accounts import Account, AccountName, Claim, Network
    from mailguard.auth.attempt import MailProtocol
    from mailguard.auth.standing import Proven, SignedIn
    from mailguard.desk.desk import Desk
    from mailguard.secret import Secret

FIRST_USE_SECONDS = 24 * 3600.0
"""An app password that its owner made is put into a device at once, or it lies about somewhere: then it lapses."""

LABEL_CHARACTERS = 60

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

    mailbox: AccountName
    row: AppPassword
    secret: Secret


@dataclass(frozen=True, slots=True)
class Kept:
    """An app password of one's own, as it is listed."""

    mailbox: AccountName  # another's where it is held at a shared mailbox
    row: AppPassword
    refused: bool  # the store said no to what is sealed to it: renewed at the next sign-in


async def mine(desk: Desk, signed: SignedIn) -> tuple[Kept, ...]:
    """All of one's own, ended ones too, and what one holds at shared mailboxes; oldest first."""
    account = await desk.account(signed, *_ISSUES)
    entries = await desk.store.vault.entries(account.name)
    refused = {entry.app_password_id for entry in entries.values() if entry.refused_at is not None}
    own = await desk.store.app_passwords.list(account.name)
    held = await desk.store.app_passwords.held(account.name)
    return tuple(Kept(mailbox, row, row.id in refused) for mailbox, row in (*((account.name, r) for r in own), *held))


async def revoke(desk: Desk, signed: SignedIn, app_password_id: str) -> None:
    """End one of one's own, and its sessions with it."""
    account = await desk.account(signed, *_ISSUES)
    await desk.store.app_passwords.revoke(account.name, app_password_id, actor=OWNER, signed=signed)


async def revoke_all(desk: Desk, signed: SignedIn) -> int:
    """End all of one's own; how many those were."""
    account = await desk.account(signed, *_ISSUES)
    return await desk.store.app_passwords.revoke_all(account.name, actor=OWNER, signed=signed)


async def rename(desk: Desk, signed: SignedIn, app_password_id: str, label: str) -> None:
    """Call one of one's own something else."""
    account = await desk.account(signed, *_ISSUES)
    named = _label(label)
    await desk.store.app_passwords.rename(account.name, app_password_id, named, actor=OWNER, signed=signed)


def wished(desk: Desk, account: Account, wish: Wish, row_id: str, *, until: float | None) -> AppPassword:
    """The app password that an account gets who asks for this: no more than policy allows, nor beyond `until`."""
    now, limits = desk.clock.now(), desk.limits.of(account.group)
    life = shorter(wish.life, limits.app_password_expires)
    return AppPassword(
        id=row_id,
        account_id=account.id,
        label=_label(wish.label),
        protocols=wish.protocols,
        networks=wish.networks,
        created_at=now,
        expires_at=shorter(None if life is None else now + life, until),
        idle=shorter(wish.idle, limits.app_password_idle),
        first_use_by=now + FIRST_USE_SECONDS,
        issued_by=OWNER,
        client_lock=wish.client_lock,
    )


async def issue(
    desk: Desk, signed: SignedIn, wish: Wish, proven: Proven | None = None, *, row_id: str | None = None
) -> Issued:
    """Make an app password. One that is made under a bypass ends with it. Where a leg opens with the user's own
    password, ChangeRefused without one that was just `proven`: it is sealed to the new app password.

    MadeAlready where there is one of this `row_id`.
    """
    account = await desk.account(signed, *_ISSUES)
    asked = wished(desk, account, wish, row_id or new_id(), until=signed.until)
    issued = made(account.name, asked)
    await desk.store.app_passwords.issue(
        account.name,
        issued.row,
        digest_app_password(desk.keyring, issued.secret.reveal()),
        actor=OWNER,
        limit=desk.limits.of(account.group).app_password_limit,
        store_password=to_seal(desk, account, asked, proven),
        signed=signed,
    )
    return issued


async def look(desk: Desk, signed: SignedIn, token: Secret) -> tuple[Claim, AccountName]:
    """What a claim link would make, at which mailbox; ChangeRefused unless this person may open it, now."""
    account = await desk.account(signed, *_ISSUES)
    typed = normalise_app_password(token.reveal())
    found = None
    if typed is not None:
        found = await desk.store.claims.find(digests(desk.keyring, Purpose.CLAIM, typed))
    if found is None or (found[0].person_id or found[0].account_id) != account.id:
        raise ChangeRefused(_NOTHING)
    if found[0].used_at is not None or desk.clock.now() >= found[0].expires_at:
        raise ChangeRefused(_NOTHING)
    return found


async def redeem(desk: Desk, signed: SignedIn, token: Secret, proven: Proven | None = None) -> Issued:
    """Make the app password of a claim link, for its owner or, of a shared mailbox, for the person it names. Once."""
    claim, mailbox = await look(desk, signed, token)
    account = await desk.account(signed, *_ISSUES)
    of = await desk.store.accounts.get(mailbox) or account
    now = desk.clock.now()
    asked = replace(app_password_of(claim, new_id(), now), first_use_by=now + FIRST_USE_SECONDS)
    issued = made(mailbox, replace(asked, expires_at=shorter(asked.expires_at, signed.until)))
    used = await desk.store.claims.redeem(
        mailbox,
        claim,
        issued.row,
        digest_app_password(desk.keyring, issued.secret.reveal()),
        actor=OWNER,
        signed=signed,
        limit=desk.limits.of(of.group).app_password_limit,
        store_password=to_seal(desk, account, asked, proven),
    )
    if not used:
        raise ChangeRefused(_NOTHING)
    return issued


def needs_password(desk: Desk, account_id: str, asked: AppPassword | Claim | Wish) -> bool:
    """Must the account's own password be typed for it? That of a shared mailbox its people do not know: an operator
    renews it."""
    return bool(asked.protocols & desk.own) and (isinstance(asked, Wish) or asked.account_id == account_id)


def made(mailbox: AccountName, asked: AppPassword) -> Issued:
    """A secret for it, and the public half to which a store password is sealed."""
    secret = generate_app_password()
    return Issued(mailbox, replace(asked, public=vault.public_half(secret, asked.id)), secret)


def to_seal(desk: Desk, account: Account, asked: AppPassword, proven: Proven | None) -> Secret | None:
    """The store password, where it is needed."""
    if not needs_password(desk, account.id, asked):
        return None
    if proven is None or proven.account_id != account.id:
        raise ChangeRefused("type your password once more: the app password opens the mail store with it")
    return proven.password


def _label(typed: str) -> str:
    label = " ".join(typed.split())
    if not label or len(label) > LABEL_CHARACTERS or not label.isprintable():
        raise ChangeRefused(f"give the device a name of 1 to {LABEL_CHARACTERS} characters, to know it by later")
    return label
