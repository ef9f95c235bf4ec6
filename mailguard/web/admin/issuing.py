"""What administrators hand out: claim links, bypasses, enrolment codes. Each is shown once, as the answer to its form;
and what they change of an account: its group and role."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from mailguard.admin import accounts, app_passwords, factors
from mailguard.admin.app_passwords import Wish
from mailguard.admin.gate import Act
from mailguard.auth.accounts import Network
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.recovery import grouped
from mailguard.auth.roles import Over, Role, RoleLimit
from mailguard.config import Wrong, kinds
from mailguard.store import ChangeRefused
from mailguard.web import paths
from mailguard.web.admin.accounts import page_of
from mailguard.web.admin.administrator import Administrator
from mailguard.web.elsewhere import lead
from mailguard.web.once import new_number
from mailguard.web.page import render
from mailguard.web.visit import Posted

router = APIRouter(prefix=f"{paths.ADMIN_ACCOUNTS}/{{name}}")

Once = Annotated[str, Form(alias="once")]
"""The number of a form (web.once)."""

HOUR, DAY = 3600.0, 24 * 3600.0
BYPASS_HOURS = (1, 8, 24, 72)


@router.get("/claim-link")
async def claim_link_page(request: Request, me: Administrator, name: str) -> Response:
    """What the app password shall be."""
    account = await me.account(name)
    me.demand(Act.CLAIM_LINK, account)
    return render(
        request,
        "admin_claim_link.html",
        me=me,
        account=account,
        here=page_of(account.name),
        protocols=sorted(me.bureau.protocols),
        once=new_number(),
    )


@router.post("/claim-link", dependencies=[Posted])
async def claim_link(
    request: Request,
    me: Administrator,
    name: str,
    *,
    label: Annotated[str, Form()] = "",
    networks: Annotated[str, Form()] = "",
    life: Annotated[str, Form()] = "",
    idle: Annotated[str, Form()] = "",
    number: Once = "",
) -> Response:
    """Make it, and show it."""
    account = await me.account(name)
    ticked = (await request.form()).getlist("protocols")
    wish = Wish(
        label=label.strip(),
        protocols=frozenset(each for each in MailProtocol if each in ticked),
        networks=_networks(networks),
        life=_days(life),
        idle=_days(idle),
    )
    link = await app_passwords.claim_link(me.bureau, me.acting, account.name, wish, row_id=me.row_id(number))
    return _handed(request, me, account.name, kind="claim-link", secret=link.url, until=link.row.expires_at)


@router.get("/bypass")
async def bypass_page(request: Request, me: Administrator, name: str) -> Response:
    """For how long."""
    account = await me.account(name)
    me.demand(Act.BYPASS, account)
    here, once = page_of(account.name), new_number()
    return render(request, "admin_bypass.html", me=me, account=account, here=here, hours=BYPASS_HOURS, once=once)


@router.post("/bypass", dependencies=[Posted])
async def bypass(
    request: Request,
    me: Administrator,
    name: str,
    *,
    hours: Annotated[float, Form()],
    may_enrol: Annotated[str, Form()] = "",
    number: Once = "",
) -> Response:
    """Make it, and show it."""
    account = await me.account(name)
    handed = await factors.bypass(
        me.bureau, me.acting, account.name, hours * HOUR, may_enrol=bool(may_enrol), row_id=me.row_id(number)
    )
    return _handed(request, me, account.name, kind="bypass", secret=grouped(handed.code), until=handed.row.expires_at)


@router.get("/enrolment-code")
async def enrolment_code_page(request: Request, me: Administrator, name: str) -> Response:
    """What it is for."""
    account = await me.account(name)
    me.demand(Act.ENROLMENT_CODE, account)
    return render(
        request,
        "admin_confirm.html",
        me=me,
        account=account,
        here=page_of(account.name),
        step="enrolment-code",
        what="",
        once=new_number(),
    )


@router.post("/enrolment-code", dependencies=[Posted])
async def enrolment_code(request: Request, me: Administrator, name: str, number: Once = "") -> Response:
    """Make it, and show it."""
    account = await me.account(name)
    handed = await factors.enrolment_code(me.bureau, me.acting, account.name, row_id=me.row_id(number))
    return _handed(
        request, me, account.name, kind="enrolment-code", secret=grouped(handed.code), until=handed.row.expires_at
    )


@router.get("/change")
async def change_page(request: Request, me: Administrator, name: str) -> Response:
    """Its group and its role, as they are."""
    account = await me.account(name)
    me.demand(Act.SET_ROLE, account)
    return render(
        request,
        "admin_change.html",
        me=me,
        account=account,
        here=page_of(account.name),
        groups=sorted(me.bureau.limits.group),
        roles=tuple(Role),
        limits=_limits(me, account.role_limit),
    )


@router.post("/change", dependencies=[Posted])
async def change(
    me: Administrator,
    name: str,
    group: Annotated[str, Form()] = "",
    role: Annotated[Role, Form()] = Role.NONE,
    limit: Annotated[str, Form()] = "",
) -> Response:
    """Change what is not as it was: another group needs no right over roles."""
    account = await me.account(name)
    reach = _limit(limit if role is not Role.NONE else "")
    await accounts.change(
        me.bureau,
        me.acting,
        account.name,
        group=group if group != account.group else None,
        role=role if role is not account.role else None,
        role_limit=reach if reach != account.role_limit else None,
    )
    return lead(page_of(account.name), done="admin-changed")


def _handed(request: Request, me: Administrator, name: str, *, kind: str, secret: str, until: float | None) -> Response:
    here = page_of(name)
    return render(request, "admin_handed.html", me=me, name=name, here=here, kind=kind, secret=secret, until=until)


def _networks(written: str) -> tuple[Network, ...]:
    try:
        return tuple(kinds.network(each) for each in written.replace(",", " ").split())
    except Wrong as wrong:
        raise ChangeRefused(f"one of the networks {wrong}") from None


def _days(written: str) -> float | None:
    try:
        days = float(written) if written.strip() else None
    except ValueError:
        days = 0.0
    if days is not None and not 0 < days <= 3650:
        raise ChangeRefused("write a number of days from 1 to 3650, or nothing")
    return None if days is None else days * DAY


def _limit(written: str) -> RoleLimit:
    try:
        return RoleLimit.parse(written.strip())
    except ValueError as wrong:
        raise ChangeRefused(f"the limit {wrong}") from None


def _limits(me: Administrator, present: RoleLimit) -> tuple[str, ...]:
    """What can be chosen: the present one, what the own role reaches, and each group of the policy."""
    groups = (f"{Over.GROUP}:{group}" for group in sorted(me.bureau.limits.group))
    return tuple(dict.fromkeys((str(present), str(me.acting.limit), *groups)))
