"""What other people sign in with: taken away when it is lost, bridged, or made room for."""

from __future__ import annotations

from fastapi import APIRouter

from mailguard.admin import factors
from mailguard.admin.factors import Handed
from mailguard.admin.gate import Act
from mailguard.auth import recovery
from mailguard.web.api.caller import Id, Named, Program, needs
from mailguard.web.api.problems import CHANGES
from mailguard.web.api.shapes.base import Made, moment
from mailguard.web.api.shapes.factors import Authenticator, Code, NewBypass, PasskeyRow, Reset

router = APIRouter(prefix="/accounts/{name}", tags=["factors"])


@router.get("/authenticators", openapi_extra=needs(Act.READ))
async def list_authenticators(caller: Program, name: Named) -> list[Authenticator]:
    """An account's authenticators, confirmed or not."""
    return [Authenticator.of(each) for each in await factors.devices(caller.bureau, caller.acting, name)]


@router.delete("/authenticators/{id}", status_code=204, openapi_extra=needs(Act.REMOVE_FACTOR), responses=CHANGES)
async def remove_authenticator(caller: Program, name: Named, id: Id) -> None:
    """Remove one; grants and sessions opened with it end."""
    await factors.remove(caller.bureau, caller.acting, name, id)


@router.get("/passkeys", openapi_extra=needs(Act.READ))
async def list_passkeys(caller: Program, name: Named) -> list[PasskeyRow]:
    """An account's passkeys."""
    return [PasskeyRow.of(each) for each in await factors.passkeys(caller.bureau, caller.acting, name)]


@router.delete("/passkeys/{id}", status_code=204, openapi_extra=needs(Act.REMOVE_FACTOR), responses=CHANGES)
async def remove_passkey(caller: Program, name: Named, id: Id) -> None:
    """Remove one; whoever is signed in with it is out."""
    await factors.remove_passkey(caller.bureau, caller.acting, name, id)


@router.get("/codes", openapi_extra=needs(Act.READ))
async def list_codes(caller: Program, name: Named) -> list[Code]:
    """An account's recovery, enrolment and bypass codes, used and ended ones too; never the codes themselves."""
    now = caller.bureau.now()
    return [Code.of(each, now) for each in await factors.codes(caller.bureau, caller.acting, name)]


@router.post("/reset", status_code=204, openapi_extra=needs(Act.RESET), responses=CHANGES)
async def reset_factors(caller: Program, name: Named, asked: Reset) -> None:
    """Remove every authenticator and passkey and end all sessions. The bare password stays refused on mail."""
    await factors.reset(caller.bureau, caller.acting, name, app_passwords=asked.app_passwords)


@router.post("/bypass", status_code=201, openapi_extra=needs(Act.BYPASS), responses=CHANGES)
async def issue_bypass(caller: Program, name: Named, asked: NewBypass) -> Made:
    """Make a code that replaces the authenticator's at one sign-in. One that binds a new one, owners alone make."""
    return _made(
        await factors.bypass(caller.bureau, caller.acting, name, float(asked.seconds), may_enrol=asked.may_enrol)
    )


@router.post("/enrolment-code", status_code=201, openapi_extra=needs(Act.ENROLMENT_CODE), responses=CHANGES)
async def issue_enrolment_code(caller: Program, name: Named) -> Made:
    """Make a code that lets its owner bind the first authenticator. Good for 24 hours, once."""
    return _made(await factors.enrolment_code(caller.bureau, caller.acting, name))


def _made(handed: Handed) -> Made:
    assert handed.row.expires_at is not None
    return Made(id=handed.row.id, secret=recovery.grouped(handed.code), expires=moment(handed.row.expires_at))
