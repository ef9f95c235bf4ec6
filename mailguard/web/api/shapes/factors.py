"""What people sign in with."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from mailguard.auth.accounts import CodeKind
from mailguard.auth.recovery import BYPASS_SECONDS_MOST
from mailguard.web.api.shapes.base import Shape, Wish, moment, moment_or_none

if TYPE_CHECKING:
    from mailguard.auth.accounts import OneTimeCode, Passkey, TotpDevice


class Authenticator(Shape):
    """An authenticator. Its seed comes out nowhere."""

    id: str
    label: str
    confirmed: datetime | None
    digits: int
    algorithm: str
    created: datetime
    last_used: datetime | None

    @classmethod
    def of(cls, device: TotpDevice) -> Authenticator:
        """From its row."""
        return cls(
            id=device.id,
            label=device.name,
            confirmed=moment_or_none(device.confirmed_at),
            digits=device.digits,
            algorithm=device.algorithm,
            created=moment(device.created_at),
            last_used=moment(device.last_step * device.period) if device.last_step else None,
        )


class PasskeyRow(Shape):
    """A passkey."""

    id: str
    label: str
    created: datetime
    last_used: datetime | None

    @classmethod
    def of(cls, passkey: Passkey) -> PasskeyRow:
        """From its row."""
        return cls(
            id=passkey.id,
            label=passkey.name,
            created=moment(passkey.created_at),
            last_used=moment_or_none(passkey.last_used_at),
        )


class Code(Shape):
    """A one-time code, without the code."""

    id: str
    kind: CodeKind
    usable: bool
    created: datetime
    expires: datetime | None
    used: datetime | None
    ended: datetime | None
    may_enrol: bool
    issued_by: str

    @classmethod
    def of(cls, code: OneTimeCode, now: float) -> Code:
        """From its row."""
        return cls(
            id=code.id,
            kind=code.kind,
            usable=code.usable(now),
            created=moment(code.created_at),
            expires=moment_or_none(code.expires_at),
            used=moment_or_none(code.used_at),
            ended=moment_or_none(code.ended_at),
            may_enrol=code.may_enrol,
            issued_by=code.issued_by,
        )


class Reset(Wish):
    """Remove every authenticator and passkey."""

    app_passwords: bool = Field(False, description="Revoke the account's app passwords too.")


class NewBypass(Wish):
    """A code in place of the authenticator's, for one sign-in. The password is still needed."""

    seconds: int = Field(ge=1, le=int(BYPASS_SECONDS_MOST), description="How long it is good.", examples=[28800])
    may_enrol: bool = Field(False, description="Whoever signs in by it may bind a new authenticator.")
