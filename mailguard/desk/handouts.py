"""A link, shown as a code on one screen, that sets up the device that opens it: its app password is made then.

Until then there is none: a code that was photographed, or a link that a messenger looked at, has given nothing away but
ten minutes. The store password waits in between, sealed to the token in the link, of which only a hash is kept.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mailguard.auth import vault
from mailguard.auth.passwords import digest_app_password, generate_app_password, normalise_app_password
from mailguard.auth.standing import Proven, Standing
from mailguard.desk.app_passwords import Issued, Wish, made, to_seal, wished
from mailguard.desk.desk import OWNER
from mailguard.secret import Secret
from mailguard.store import ChangeRefused, new_id
from mailguard.store.handouts import HANDOUT_SECONDS, Handout

if TYPE_CHECKING:
    from mailguard.auth.attempt import MailProtocol
    from mailguard.desk.desk import Desk
    from mailguard.store.handouts import Open
    from mailguard.store.portal_sessions import PortalSession

_ISSUES = (Standing.FULL, Standing.BYPASS)
_NOTHING = "this link opens nothing: it was used, its 10 minutes are over, or whoever made it has signed out"


async def make(
    desk: Desk, session: PortalSession, wish: Wish, proven: Proven | None = None, *, row_id: str | None = None
) -> Secret:
    """The token of a new link, to be shown once; it ends with this session. Where a leg opens with the user's own
    password, ChangeRefused without one that was just `proven`. MadeAlready where there is a link of this `row_id`."""
    account = await desk.account(session.signed, *_ISSUES)
    now, token = desk.clock.now(), generate_app_password()
    asked = wished(desk, account, wish, row_id or new_id(), until=session.signed.until)
    password, sealed = to_seal(desk, account, asked, proven), None
    if password is not None:
        sealed = vault.seal(vault.public_half(token, asked.id), asked.id, account.id, password)
    link = Handout(
        id=asked.id,
        account_id=account.id,
        label=asked.label,
        life=wish.life,
        session_id=session.id,
        sealed=sealed,
        created_at=now,
        expires_at=now + HANDOUT_SECONDS,
    )
    await desk.store.handouts.make(session.signed, link, _digest(token))
    return token


async def look(desk: Desk, token: Secret) -> Open:
    """What a link would make, and for whom; ChangeRefused where it opens nothing."""
    good = await desk.store.handouts.find(_digest(_read(token)))
    if good is None:
        raise ChangeRefused(_NOTHING)
    return good


async def use(desk: Desk, token: Secret, protocols: frozenset[MailProtocol]) -> Issued:
    """Make the app password of a link, once."""
    good = await look(desk, token)
    signed, link = good.by.signed, good.handout
    account = await desk.account(signed, *_ISSUES)
    asked = wished(desk, account, Wish(link.label, protocols, life=link.life), new_id(), until=signed.until)
    password = None if link.sealed is None else vault.unseal(_read(token), link.id, account.id, link.sealed)
    issued = made(account.name, asked)
    used = await desk.store.handouts.use(
        _digest(_read(token)),
        issued.row,
        digest_app_password(desk.keyring, issued.secret.reveal()),
        actor=OWNER,
        limit=desk.limits.of(account.group).app_password_limit,
        store_password=to_seal(desk, account, asked, None if password is None else Proven(account.id, password)),
    )
    if not used:
        raise ChangeRefused(_NOTHING)
    return issued


def _read(typed: Secret) -> Secret:
    bare = normalise_app_password(typed.reveal())
    if bare is None:
        raise ChangeRefused(_NOTHING)
    return Secret(bare)


def _digest(token: Secret) -> bytes:
    """Of 140 bits a plain hash is enough (NIST SP 800-63B-4 3.1.2.2)."""
    return hashlib.sha256(token.reveal()).digest()
