"""What other people sign in with: taken away when it is lost, bridged, or made room for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.admin.bureau import named
from mailguard.admin.gate import Act
from mailguard.auth import recovery
from mailguard.auth.accounts import CodeKind
from mailguard.store import ChangeRefused

if TYPE_CHECKING:
    from mailguard.admin.acting import Acting
    from mailguard.admin.bureau import Bureau
    from mailguard.auth.accounts import AccountName, OneTimeCode, Passkey, TotpDevice
    from mailguard.secret import Secret


@dataclass(frozen=True, slots=True)
class Handed:
    """A one-time code to hand to its owner: shown once, then known as a hash alone."""

    row: OneTimeCode
    code: Secret


async def devices(bureau: Bureau, acting: Acting, name: AccountName) -> tuple[TotpDevice, ...]:
    """An account's authenticators, confirmed or not. Their seeds are for nobody's eyes."""
    await bureau.reads_of(acting, name)
    return await bureau.store.devices.list(name)


async def passkeys(bureau: Bureau, acting: Acting, name: AccountName) -> tuple[Passkey, ...]:
    """An account's passkeys."""
    await bureau.reads_of(acting, name)
    return await bureau.store.passkeys.list(name)


async def codes(bureau: Bureau, acting: Acting, name: AccountName) -> tuple[OneTimeCode, ...]:
    """An account's one-time codes of all kinds, used and ended ones too."""
    await bureau.reads_of(acting, name)
    return await bureau.store.codes.list(name)


async def remove(bureau: Bureau, acting: Acting, name: AccountName, device_id: str) -> None:
    """Remove one authenticator; grants and sessions opened with it end."""
    await bureau.do(
        acting,
        Act.REMOVE_FACTOR,
        named(name),
        lambda changes: changes.devices.remove(name, device_id, actor=acting.actor),
    )


async def remove_passkey(bureau: Bureau, acting: Acting, name: AccountName, passkey_id: str) -> None:
    """Remove one passkey; what was opened with it ends."""
    await bureau.do(
        acting,
        Act.REMOVE_FACTOR,
        named(name),
        lambda changes: changes.passkeys.remove(name, passkey_id, actor=acting.actor),
    )


async def reset(bureau: Bureau, acting: Acting, name: AccountName, *, app_passwords: bool = False) -> None:
    """Remove every authenticator and passkey; all sessions and grants end, and the bare password stays refused on
    mail. App passwords go too where that is asked for."""
    await bureau.do(
        acting,
        Act.RESET,
        named(name),
        lambda changes: changes.devices.reset(name, actor=acting.actor, app_passwords_too=app_passwords),
    )


async def bypass(
    bureau: Bureau,
    acting: Acting,
    name: AccountName,
    seconds: float,
    *,
    may_enrol: bool = False,
    row_id: str | None = None,
) -> Handed:
    """A code in place of the authenticator's, good for one sign-in within so many seconds; the password is still
    needed. `may_enrol`: whoever signs in by it may bind a new authenticator. MadeAlready where there is one of this
    `row_id`."""
    if not 0 < seconds <= recovery.BYPASS_SECONDS_MOST:
        raise ChangeRefused("a bypass is good for at most three days: ask for less")
    wanted = _Wanted(CodeKind.BYPASS, seconds, may_enrol, row_id)
    return await _issue(bureau, acting, Act.BYPASS_ENROLS if may_enrol else Act.BYPASS, name, wanted)


async def enrolment_code(bureau: Bureau, acting: Acting, name: AccountName, *, row_id: str | None = None) -> Handed:
    """A code that lets its owner bind the first authenticator, within 24 hours, once. MadeAlready where there is one
    of this `row_id`."""
    wanted = _Wanted(CodeKind.ENROLMENT, recovery.ENROLMENT_SECONDS, True, row_id)
    return await _issue(bureau, acting, Act.ENROLMENT_CODE, name, wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    kind: CodeKind
    seconds: float
    may_enrol: bool
    row_id: str | None


async def _issue(bureau: Bureau, acting: Acting, act: Act, name: AccountName, wanted: _Wanted) -> Handed:
    made = await bureau.beside.run(lambda: recovery.make(1))
    (row,) = await bureau.do(
        acting,
        act,
        named(name),
        lambda changes: changes.codes.issue(
            name,
            wanted.kind,
            made,
            actor=acting.actor,
            expires_at=bureau.now() + wanted.seconds,
            may_enrol=wanted.may_enrol,
            first_id=wanted.row_id,
        ),
    )
    return Handed(row, made.codes[0])
