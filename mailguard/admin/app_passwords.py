"""Other people's app passwords: seen, revoked, and made by a link that their owner opens. No secret is shown here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.admin.acting import Means
from mailguard.admin.bureau import named, nobody
from mailguard.admin.gate import Act
from mailguard.auth.accounts import Claim
from mailguard.auth.passwords import digest_claim, generate_app_password, shorter
from mailguard.store import ChangeRefused, new_id
from mailguard.store.claims import CLAIM_SECONDS

if TYPE_CHECKING:
    from mailguard.admin.acting import Acting
    from mailguard.admin.bureau import Bureau
    from mailguard.auth.accounts import AccountName, AppPassword, Network
    from mailguard.auth.attempt import MailProtocol


LABEL_CHARACTERS = 60  # as of those that people make themselves


@dataclass(frozen=True, slots=True)
class Wish:
    """What the app password of a link shall be. No protocols: all that there are. Lengths in seconds, None for no end:
    policy shortens them, where no operator asks."""

    label: str
    protocols: frozenset[MailProtocol] = frozenset()
    networks: tuple[Network, ...] = ()
    life: float | None = None
    idle: float | None = None
    person: AccountName | None = None  # whose it is, of a shared mailbox
    client_lock: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A claim link's row, and its address, to be shown once."""

    row: Claim
    url: str


async def seen(bureau: Bureau, acting: Acting, name: AccountName) -> tuple[AppPassword, ...]:
    """An account's app passwords, revoked and expired ones too."""
    await bureau.reads_of(acting, name)
    return await bureau.store.app_passwords.list(name)


async def claim_link(
    bureau: Bureau, acting: Acting, name: AccountName, wish: Wish, *, row_id: str | None = None
) -> Link:
    """A link that makes an app password for its owner, once, within 24 hours, signed in. MadeAlready where there is one
    of this `row_id`."""
    if not wish.label.strip() or len(wish.label) > LABEL_CHARACTERS or not wish.label.isprintable():
        raise ChangeRefused(f"the label has 1 to {LABEL_CHARACTERS} printable characters, to know the device by later")
    # Where there is none the gate speaks first: or else links would tell which accounts are beyond somebody's limit.
    account, now = await bureau.store.accounts.get(name) or nobody(name), bureau.now()
    policy = bureau.limits.of(account.group)
    claim = Claim(
        id=row_id or new_id(),
        account_id=account.id,
        label=wish.label,
        protocols=_scope(bureau, wish.protocols),
        created_at=now,
        expires_at=now + CLAIM_SECONDS,
        networks=wish.networks,
        life=_length(acting, wish.life, policy.app_password_expires),
        idle=_length(acting, wish.idle, policy.app_password_idle),
        person_id="" if wish.person is None else await _person(bureau, wish.person),
        client_lock=wish.client_lock,
        issued_by=acting.actor,
    )
    token = generate_app_password()
    digest = digest_claim(bureau.keyring, token)
    await bureau.do(
        acting,
        Act.CLAIM_LINK,
        named(name),
        lambda changes: changes.claims.issue(name, claim, digest, actor=acting.actor),
    )
    return Link(claim, f"{bureau.public_url.rstrip('/')}/claim/{token.reveal().decode()}")


async def revoke(bureau: Bureau, acting: Acting, name: AccountName, app_password_id: str) -> None:
    """It opens nothing from now on, and its sessions end."""
    await bureau.do(
        acting,
        Act.REVOKE,
        named(name),
        lambda changes: changes.app_passwords.revoke(name, app_password_id, actor=acting.actor),
    )


async def revoke_all(bureau: Bureau, acting: Acting, name: AccountName) -> int:
    """Revoke all of an account's; how many were not revoked yet."""
    return await bureau.do(
        acting, Act.REVOKE, named(name), lambda changes: changes.app_passwords.revoke_all(name, actor=acting.actor)
    )


def _length(acting: Acting, asked: float | None, most: float | None) -> float | None:
    return asked if acting.means is Means.OPERATOR else shorter(asked, most)


async def _person(bureau: Bureau, name: AccountName) -> str:
    account = await bureau.store.accounts.get(name)
    if account is None:
        raise ChangeRefused(f"there is no account {name}; do: mailguard account add {name}")
    return account.id


def _scope(bureau: Bureau, asked: frozenset[MailProtocol]) -> frozenset[MailProtocol]:
    if absent := asked - bureau.protocols:
        raise ChangeRefused(f"there is no [backend.{min(absent)}] in the configuration; leave {min(absent)} out")
    return asked or bureau.protocols
