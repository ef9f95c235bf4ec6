"""A new device: choose the program, name it, and there is its app password with the steps to set it up. Shown once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from starlette.responses import Response

from mailguard.auth.attempt import MailProtocol, Refused
from mailguard.auth.passwords import grouped
from mailguard.auth.ports import temporary
from mailguard.desk import app_passwords
from mailguard.desk.app_passwords import Issued, Wish
from mailguard.secret import Secret
from mailguard.store import MadeAlready
from mailguard.web import once, paths, proving
from mailguard.web.discovery import android, apple
from mailguard.web.discovery.offer import NotOffered, offer
from mailguard.web.discovery.routes import as_profile
from mailguard.web.page import render
from mailguard.web.portal.guides import SECURITY, Program, both_ways, guide
from mailguard.web.visit import Member, Posted, Visit

if TYPE_CHECKING:
    from mailguard.auth.accounts import Network
    from mailguard.auth.standing import Proven

router = APIRouter(prefix=f"{paths.DEVICES}/add")

DAYS = (1, 7, 30, 90, 365)
_DAY = 24 * 3600.0
_SCOPES = {"send": frozenset({MailProtocol.SUBMISSION}), "read": frozenset({MailProtocol.IMAP})}


@dataclass(frozen=True, slots=True)
class Sent:
    """The form, as it came. `password` is that of the account, where it is asked for."""

    program: Program
    label: str
    scope: str
    days: str
    networks: str
    password: str = field(repr=False)
    number: str


class Wrong(Exception):
    """What was typed cannot be taken: the key of a text that says why."""

    def __init__(self, said: str, status: int = 400) -> None:
        super().__init__(said)
        self.said, self.status = said, status


async def _sent(request: Request, program: Program, once: Annotated[str, Form(min_length=1, max_length=32)]) -> Sent:
    form = await request.form()
    typed = {name: str(form.get(name, "")) for name in ("label", "scope", "days", "networks", "password")}
    return Sent(program=program, number=once, **typed)


Filled = Annotated[Sent, Depends(_sent)]


@router.get("")
async def choose(request: Request, visit: Member) -> Response:
    """Which program is it?"""
    return render(request, "add_device.html", programs=tuple(Program))


@router.get("/{program}")
async def form(request: Request, visit: Member, program: Program) -> Response:
    """Its name, and whatever else is asked."""
    return form_again(request, visit, Sent(program, visit.say(f"guides.{program.key}_label"), "", "", "", "", ""))


@router.post("/{program}", dependencies=[Posted])
async def made(request: Request, visit: Member, sent: Filled) -> Response:
    """The app password, once, and what to do with it."""
    try:
        issued = await _issued(visit, sent)
    except Wrong as wrong:
        return form_again(request, visit, sent, wrong)
    except MadeAlready:
        return render(request, "made_already.html", status=409, program=sent.program)
    return shown(request, visit, issued, sent.program)


@router.post("/{program}/profile", dependencies=[Posted])
async def profile(request: Request, visit: Member, sent: Filled) -> Response:
    """The file that sets up Mail on the device that this is, app password and all."""
    demand_profile(visit, sent.program)
    try:
        issued = await _issued(visit, sent)
    except Wrong as wrong:
        return form_again(request, visit, sent, wrong)
    except MadeAlready:
        return render(request, "made_already.html", status=409, program=sent.program)
    return await handed(visit, issued)


def demand_profile(visit: Visit, program: Program) -> None:
    """There is no such page where there is no such file."""
    if not (program.takes_profile and both_ways(offer(visit.house.settings))):
        raise HTTPException(404)


async def handed(visit: Visit, issued: Issued) -> Response:
    """An app password inside a profile."""
    house = visit.house
    told = offer(house.settings)
    content = apple.apple_profile(told, issued.mailbox, issued.row.label, Secret(grouped(issued.secret).encode()))
    domain = issued.mailbox.rpartition("@")[2]
    return await house.desk.beside.run(lambda: as_profile(house.settings, content, domain))


def shown(request: Request, visit: Visit, issued: Issued, program: Program) -> Response:
    """An app password on a page, with its guide. It cannot be seen again."""
    told = offer(visit.house.settings)
    secret = grouped(issued.secret)
    code = ""
    if program is Program.ANDROID:
        with suppress(NotOffered):  # then the settings are typed
            code = android.drawing(android.payload(told, issued.mailbox, Secret(secret.encode())))
    return render(
        request,
        "device_made.html",
        mailbox=issued.mailbox,
        row=issued.row,
        secret=secret,
        code=code,
        guide=guide(program, told, issued.row.protocols, visit.house.texts[visit.language]),
        security=SECURITY,
    )


def there(visit: Visit) -> frozenset[MailProtocol]:
    """What can be opened at all."""
    return frozenset(MailProtocol(name) for name in visit.house.settings.backend)


async def proven(visit: Visit, password: str) -> Proven:
    """The account's own password; Wrong where it is not."""
    answer = await proving.proven(visit, password)
    if isinstance(answer, Refused):
        raise Wrong(proving.said(answer), 503 if temporary(answer.reason) else 403)
    return answer


def wish_of(visit: Visit, sent: Sent) -> Wish:
    """What the form asks for; Wrong where that cannot be."""
    if not sent.label.strip() or len(sent.label) > app_passwords.LABEL_CHARACTERS or not sent.label.isprintable():
        raise Wrong("devices.label_wrong")
    if sent.days and sent.days not in map(str, DAYS):
        raise Wrong("devices.days_wrong")
    protocols = _SCOPES.get(sent.scope, there(visit)) & there(visit)
    if not protocols:
        raise Wrong("devices.scope_wrong")
    return Wish(sent.label, protocols, _networks(sent.networks), int(sent.days) * _DAY if sent.days else None)


async def _issued(visit: Visit, sent: Sent) -> Issued:
    desk, wish = visit.house.desk, wish_of(visit, sent)
    needed = app_passwords.needs_password(desk, visit.account.id, wish)
    evidence = await proven(visit, sent.password) if needed else None
    return await app_passwords.issue(desk, visit.signed, wish, evidence, row_id=once.row_id(visit, sent.number))


def form_again(request: Request, visit: Visit, sent: Sent, wrong: Wrong | None = None) -> Response:
    """The form, as it was sent, with what was wrong about it. A fresh number: nothing was made."""
    wish, told = Wish("", there(visit)), offer(visit.house.settings)
    return render(
        request,
        "name_device.html",
        status=wrong.status if wrong else 200,
        said=wrong.said if wrong else "",
        sent=sent,
        once=once.new_number(),
        days=DAYS,
        characters=app_passwords.LABEL_CHARACTERS,
        asks_password=app_passwords.needs_password(visit.house.desk, visit.account.id, wish),
        warning=guide(sent.program, told, (), visit.house.texts[visit.language]).warning,
        profile=sent.program.takes_profile and both_ways(told),
    )


def _networks(typed: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(each) for each in typed.replace(",", " ").split())
    except ValueError:
        raise Wrong("devices.networks_wrong") from None
