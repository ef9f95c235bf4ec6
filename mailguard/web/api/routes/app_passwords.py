"""Other people's app passwords: seen, revoked, and made by a link that their owner opens."""

from __future__ import annotations

from fastapi import APIRouter

from mailguard.admin import app_passwords
from mailguard.admin.gate import Act
from mailguard.web.api.caller import Id, Named, Program, needs
from mailguard.web.api.problems import CHANGES
from mailguard.web.api.shapes.app_passwords import AppPasswordRow, NewClaimLink, Revoked
from mailguard.web.api.shapes.base import Made, moment

router = APIRouter(prefix="/accounts/{name}", tags=["app passwords"])


@router.get("/app-passwords", openapi_extra=needs(Act.READ))
async def list_app_passwords(caller: Program, name: Named) -> list[AppPasswordRow]:
    """An account's app passwords, revoked and expired ones too."""
    return [AppPasswordRow.of(each) for each in await app_passwords.seen(caller.bureau, caller.acting, name)]


@router.post("/claim-links", status_code=201, openapi_extra=needs(Act.CLAIM_LINK), responses=CHANGES)
async def make_claim_link(caller: Program, name: Named, asked: NewClaimLink) -> Made:
    """Make a link that shows its owner a new app password, once, within 24 hours, signed in. `secret` is the link; the
    app password itself is for nobody but them."""
    wish = app_passwords.Wish(
        label=asked.label,
        protocols=frozenset(asked.protocols),
        networks=tuple(asked.networks),
        life=asked.expires_seconds,
        idle=asked.idle_seconds,
        client_lock=asked.client_lock,
    )
    link = await app_passwords.claim_link(caller.bureau, caller.acting, name, wish)
    return Made(id=link.row.id, secret=link.url, expires=moment(link.row.expires_at))


@router.delete("/app-passwords/{id}", status_code=204, openapi_extra=needs(Act.REVOKE), responses=CHANGES)
async def revoke_app_password(caller: Program, name: Named, id: Id) -> None:
    """End one and its sessions. Repeating it is harmless."""
    await app_passwords.revoke(caller.bureau, caller.acting, name, id)


@router.post("/app-passwords/revoke-all", openapi_extra=needs(Act.REVOKE), responses=CHANGES)
async def revoke_all_app_passwords(caller: Program, name: Named) -> Revoked:
    """End all of the account's."""
    return Revoked(revoked=await app_passwords.revoke_all(caller.bureau, caller.acting, name))
