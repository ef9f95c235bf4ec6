"""What opens one's own mailbox: app passwords, the live sessions under each, and codes that still open more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from mailguard.auth.decision import lapsed
from mailguard.desk import app_passwords, mail_sessions
from mailguard.web import paths
from mailguard.web.elsewhere import lead
from mailguard.web.page import render
from mailguard.web.visit import Member, Posted, Visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailguard.desk.app_passwords import Kept
    from mailguard.store.sessions import SessionRow

router = APIRouter(prefix=paths.DEVICES)

ENDED_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Device:
    """One app password, as the page shows it."""

    kept: Kept
    ended: str  # the text that says how, "" while it opens anything
    sessions: tuple[SessionRow, ...]


@router.get("")
async def devices(request: Request, visit: Member) -> Response:
    """All of them."""
    live = await mail_sessions.listed(visit.house.desk, visit.signed)
    found = [_device(each, live, visit) for each in await app_passwords.mine(visit.house.desk, visit.signed)]
    grants = await mail_sessions.grants(visit.house.desk, visit.signed)
    listed = {session.id for device in found for session in device.sessions}
    return render(
        request,
        "devices.html",
        usable=[device for device in found if not device.ended],
        ended=[device for device in reversed(found) if device.ended][:ENDED_SHOWN],
        grants=[(each, [session for session in live if session.grant == each.grant.id]) for each in grants],
        others=[s for s in live if s.id not in listed and s.grant not in {each.grant.id for each in grants}],
        characters=app_passwords.LABEL_CHARACTERS,
    )


@router.get("/revoke-all")
async def revoke_all_page(request: Request, visit: Member) -> Response:
    """Ask before."""
    found = await app_passwords.mine(visit.house.desk, visit.signed)
    return render(request, "revoke_all.html", usable=[each for each in found if not _ended(each, visit)])


@router.post("/revoke-all", dependencies=[Posted])
async def revoke_all(visit: Member) -> Response:
    """End every one of them, and their sessions."""
    await app_passwords.revoke_all(visit.house.desk, visit.signed)
    return lead(paths.DEVICES, done="app-passwords-revoked")


@router.post("/sessions/{session_id}/end", dependencies=[Posted])
async def end_session(visit: Member, session_id: str) -> Response:
    """Cut a live session off."""
    await mail_sessions.end(visit.house.desk, visit.signed, session_id)
    return lead(paths.DEVICES, done="session-ended")


@router.post("/grants/{grant_id}/end", dependencies=[Posted])
async def end_grant(visit: Member, grant_id: str) -> Response:
    """Have a used code open nothing more."""
    await mail_sessions.end_grant(visit.house.desk, visit.signed, grant_id)
    return lead(paths.DEVICES, done="session-ended")


@router.post("/{app_password_id}/rename", dependencies=[Posted])
async def rename(visit: Member, app_password_id: str, label: Annotated[str, Form()] = "") -> Response:
    """Call it something else."""
    await app_passwords.rename(visit.house.desk, visit.signed, app_password_id, label)
    return lead(paths.DEVICES, done="app-password-renamed")


@router.post("/{app_password_id}/revoke", dependencies=[Posted])
async def revoke(visit: Member, app_password_id: str) -> Response:
    """End it, and its sessions."""
    await app_passwords.revoke(visit.house.desk, visit.signed, app_password_id)
    return lead(paths.DEVICES, done="app-password-revoked")


def _device(kept: Kept, live: Sequence[SessionRow], visit: Visit) -> Device:
    return Device(kept, _ended(kept, visit), tuple(s for s in live if s.credential == kept.row.id))


def _ended(kept: Kept, visit: Visit) -> str:
    row, now = kept.row, visit.house.desk.clock.now()
    if row.revoked_at is not None:
        return "devices.ended_revoked"
    if not lapsed(row, now):
        return ""
    if row.expires_at is not None and now >= row.expires_at:
        return "devices.ended_expired"
    return "devices.ended_unused" if row.last_used_at is None else "devices.ended_idle"
