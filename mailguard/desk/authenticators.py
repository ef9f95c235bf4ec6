"""A person's own authenticators: added, confirmed, named, removed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailguard.auth import otpauth, totp
from mailguard.auth.attempt import Factor
from mailguard.auth.standing import Standing
from mailguard.desk.desk import OWNER
from mailguard.store import ChangeRefused
from mailguard.store.ids import id_of

if TYPE_CHECKING:
    from mailguard.auth.accounts import Account, TotpDevice
    from mailguard.auth.standing import SignedIn
    from mailguard.desk.desk import Desk
    from mailguard.secret import Secret


class CodeWrong(ChangeRefused):
    """The code does not fit at this time."""


_BINDS = (Standing.FULL, Standing.ENROLS)


async def enrol(desk: Desk, signed: SignedIn, label: str, once: Secret | None = None) -> tuple[TotpDevice, str]:
    """A new authenticator and its `otpauth:` link, to be shown once. It counts for nothing before confirm().

    With `once`, a secret of the browser that asks, it gets the same one again until that is confirmed: a page that is
    loaded twice makes no second one, and no other browser sees the seed. FreshNeeded before a new one is made.
    """
    account = await desk.account(signed, *_BINDS)
    made = await begun(desk, signed, once) if once is not None else None
    if made is None:
        await desk.account(signed, *_BINDS, fresh=True)
        which = "" if once is None else _id(account, once)
        seed = totp.new_seed()
        made = await desk.store.devices.enrol(account.name, label, seed, actor=OWNER, device_id=which, signed=signed)
    return made, totp.provisioning_uri(made, account.name, desk.issuer)


async def begun(desk: Desk, signed: SignedIn, once: Secret) -> TotpDevice | None:
    """The authenticator that was enrolled with this secret and waits for its first code."""
    account = await desk.account(signed, *_BINDS)
    return await desk.store.devices.waiting(account.name, _id(account, once), signed=signed)


async def discard(desk: Desk, signed: SignedIn, once: Secret) -> None:
    """Forget that one: somebody saw its seed, or it went to the wrong phone."""
    account = await desk.account(signed, *_BINDS)
    await desk.store.devices.discard(account.name, _id(account, once), signed=signed)


async def keep(desk: Desk, signed: SignedIn, label: str, link: Secret) -> TotpDevice:
    """An authenticator that exists already, from its link. It counts for nothing before confirm()."""
    account = await desk.account(signed, *_BINDS, fresh=True)
    try:
        found = otpauth.read(link)
    except otpauth.LinkRefused as refused:
        raise ChangeRefused(f"this link {refused}") from None
    return await desk.store.devices.enrol(
        account.name,
        label,
        found.seed,
        actor=OWNER,
        digits=found.digits,
        period=otpauth.PERIOD,
        algorithm=found.algorithm,
        signed=signed,
    )


async def confirm(desk: Desk, signed: SignedIn, device_id: str, code: str) -> SignedIn:
    """Let an authenticator count, by a code that it shows. Whoever came to bind their first one holds it now: the
    sign-in that comes back may do everything. It need not be fresh, for its seed was shown to one that was."""
    account = await desk.account(signed, *_BINDS)
    if not desk.clock.trusted():
        raise ChangeRefused("the clock of this server was just set: try again in a minute")
    device = await desk.store.devices.get(device_id)
    if device is None or device.account_id != account.id:
        raise ChangeRefused("this authenticator is not waiting for a code: add it again")
    bare = "".join(code.split())
    step = totp.step_of(device, bare, desk.clock.now(), desk.policies.of(account).window)
    if step is None:
        raise CodeWrong("this code does not fit now: see that your phone shows the right time, then type the next one")
    first = signed.standing is Standing.ENROLS
    await desk.store.devices.confirm(device_id, step, actor=OWNER, only_first=first, signed=signed)
    if not first:
        return signed
    now = desk.clock.now()
    return replace(signed, standing=Standing.FULL, factor=Factor.CODE, device=device_id, at=now, until=None)


async def rename(desk: Desk, signed: SignedIn, device_id: str, label: str) -> None:
    """Call an authenticator something else."""
    account = await desk.account(signed, Standing.FULL)
    await desk.store.devices.rename(account.name, device_id, label, actor=OWNER, signed=signed)


async def remove(desk: Desk, signed: SignedIn, device_id: str) -> None:
    """Remove an authenticator; sessions opened with it end, this sign-in too if it was made with it."""
    account = await desk.account(signed, Standing.FULL, fresh=True)
    must = desk.policies.of(account).demands_factor(account, desk.clock.now())
    await desk.store.devices.remove(account.name, device_id, actor=OWNER, keep_one=must, signed=signed)


def _id(account: Account, once: Secret) -> str:
    return id_of(account.id.encode() + once.reveal())
