"""A person's own recovery codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.auth import recovery
from mailguard.auth.accounts import CodeKind
from mailguard.auth.standing import Standing
from mailguard.desk.desk import OWNER

if TYPE_CHECKING:
    from mailguard.auth.standing import SignedIn
    from mailguard.desk.desk import Desk
    from mailguard.secret import Secret

FEW = 3
_READS = (Standing.FULL, Standing.BYPASS)


@dataclass(frozen=True, slots=True)
class Left:
    """What there is of them."""

    count: int  # that were not used
    kept: bool  # their owner said that they are written down
    newest: str  # id of the newest code that ever was; "" before the first

    @property
    def few(self) -> bool:
        """Whether it is time for a new set."""
        return self.count <= FEW


async def issue(desk: Desk, signed: SignedIn, *, instead: str | None = None) -> tuple[Secret, ...]:
    """Ten new codes, to be shown once; the older ones end. `instead`: Left.newest as whoever asks saw it;
    ChangeRefused where there are newer ones, which a page that is loaded again must not end. FreshNeeded."""
    account = await desk.account(signed, Standing.FULL, fresh=True)
    made = await desk.beside.run(lambda: recovery.make(recovery.RECOVERY_CODES))
    await desk.store.codes.issue(account.name, CodeKind.RECOVERY, made, actor=OWNER, instead=instead, signed=signed)
    return made.codes


async def left(desk: Desk, signed: SignedIn) -> Left:
    """How many there are, and whether they were written down."""
    account = await desk.account(signed, *_READS)
    codes = [code for code in await desk.store.codes.list(account.name) if code.kind is CodeKind.RECOVERY]
    good = [code for code in codes if code.usable(desk.clock.now())]
    return Left(len(good), any(code.kept_at is not None for code in good), codes[-1].id if codes else "")


async def keep(desk: Desk, signed: SignedIn) -> None:
    """Their owner has them on paper."""
    account = await desk.account(signed, Standing.FULL)
    await desk.store.codes.keep(account.name, CodeKind.RECOVERY, signed=signed)
