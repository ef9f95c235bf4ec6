"""What the first page shows: how it stands, and what is worth doing next. Values, in the order of their weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.auth.decision import lapsed
from mailguard.auth.events import Event
from mailguard.auth.standing import Standing
from mailguard.desk import addresses, app_passwords, passkeys, recovery_codes
from mailguard.web import paths

if TYPE_CHECKING:
    from mailguard.desk.recovery_codes import Left
    from mailguard.store.audit import Recorded
    from mailguard.web.visit import Visit


@dataclass(frozen=True, slots=True)
class Advice:
    """Something to do: `home.KEY` says what, and the page where it is done."""

    key: str
    path: str


@dataclass(frozen=True, slots=True)
class Glance:
    """How an account stands."""

    authenticators: int
    passkeys: int
    devices: int
    addresses: int
    left: Left
    stale: bool  # the mail store no longer takes what is kept for a device
    last: Recorded | None  # the sign-in before this one

    @property
    def advice(self) -> tuple[Advice, ...]:
        """What is worth doing next."""
        few = "codes_few" if self.left.newest else "codes_none"
        found = (
            (self.stale, Advice("stale", paths.AGAIN)),
            (self.left.few, Advice(few, paths.RECOVERY_CODES)),
            (not self.left.few and not self.left.kept, Advice("codes_unkept", paths.RECOVERY_CODES)),
            (not self.addresses, Advice("no_address", f"{paths.SECURITY}#addresses")),
            (not self.devices, Advice("no_device", paths.ADD_DEVICE)),
        )
        return tuple(advice for holds, advice in found if holds)


async def of(visit: Visit) -> Glance:
    """How the account of this visit stands. It has a factor, or a bypass."""
    desk, signed = visit.house.desk, visit.signed
    now = desk.clock.now()
    mine = await app_passwords.mine(desk, signed)
    open_ones = [kept for kept in mine if kept.row.revoked_at is None and not lapsed(kept.row, now)]
    authenticators = await desk.store.devices.list(visit.account.name)
    return Glance(
        authenticators=sum(device.confirmed_at is not None for device in authenticators),
        passkeys=len(await passkeys.there(desk, signed)),
        devices=len(open_ones),
        addresses=len(await addresses.there(desk, signed)),
        left=await recovery_codes.left(desk, signed),
        stale=any(kept.refused for kept in open_ones),
        last=await desk.store.history.last(visit.account.name, Event.SIGN_IN_GRANTED, signed.at),
    )


def advises(visit: Visit) -> bool:
    """Whether they can do anything about it: a bypass changes nothing of that."""
    return visit.signed.standing is Standing.FULL
