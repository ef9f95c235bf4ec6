"""Accounts: found, made, changed, closed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from mailguard.admin import accounts, app_passwords, factors, sessions
from mailguard.admin.gate import Act
from mailguard.auth.accounts import AccountName
from mailguard.auth.decision import lapsed
from mailguard.auth.names import NameRefused
from mailguard.store.search import Wanted
from mailguard.web.api.caller import Caller, Named, Program, needs
from mailguard.web.api.problems import CHANGES, Refusal
from mailguard.web.api.shapes.accounts import (
    AccountChange,
    AccountDetail,
    AccountPage,
    AccountRow,
    Guessed,
    Import,
    ImportedNames,
    NewAccount,
    Search,
    SecondAddressRow,
)
from mailguard.web.api.shapes.base import moment

router = APIRouter(prefix="/accounts", tags=["accounts"])


@router.get("", openapi_extra=needs(Act.READ))
async def search_accounts(caller: Program, asked: Annotated[Search, Query()]) -> AccountPage:
    """One page of the accounts that match, by name."""
    wanted = Wanted(**asked.model_dump(exclude={"after", "size"}))
    after = None if asked.after is None else AccountName(asked.after)
    return AccountPage.of(await accounts.search(caller.bureau, caller.acting, wanted, after=after, size=asked.size))


@router.post("", status_code=201, openapi_extra=needs(Act.ADD), responses=CHANGES)
async def add_account(caller: Program, asked: NewAccount) -> AccountRow:
    """Make a person's account before their first login. It has no role."""
    demand_group(caller, asked.group)
    name = _new_name(caller, asked.name, "body.name")
    return AccountRow.of(await accounts.add(caller.bureau, caller.acting, name, group=asked.group))


@router.post("/import", openapi_extra=needs(Act.ADD), responses=CHANGES)
async def import_accounts(caller: Program, asked: Import) -> ImportedNames:
    """Make the accounts of a list. Whoever has one keeps it as it is."""
    for number, line in enumerate(asked.accounts):
        demand_group(caller, line.group, f"body.accounts.{number}.group")
        _new_name(caller, line.name, f"body.accounts.{number}.name")
    lines = [f"{line.name},{line.group}" for line in asked.accounts]
    if asked.dry_run:
        done = await accounts.plan(caller.bureau, caller.acting, lines)
    else:
        done = await accounts.bring(caller.bureau, caller.acting, lines)
    return ImportedNames(added=list(done.added), there=list(done.there))


@router.get("/{name}", openapi_extra=needs(Act.READ))
async def get_account(caller: Program, name: Named) -> AccountDetail:
    """One account: its standing, factors and sessions."""
    bureau, acting, store = caller.bureau, caller.acting, caller.house.store
    account = await accounts.get(bureau, acting, name)
    devices = await factors.devices(bureau, acting, name)
    held = await app_passwords.seen(bureau, acting, name)
    people = await store.members.all()
    mailboxes = [mailbox for mailbox, members in people.items() if name in members]
    reached = await store.search.within((await bureau.reads(acting)).limit, mailboxes)
    now = bureau.now()
    return AccountDetail(
        account=AccountRow.of(account),
        members=list(people.get(name, ())),
        member_of=sorted(reached),
        authenticators=sum(device.confirmed_at is not None for device in devices),
        authenticators_unconfirmed=sum(device.confirmed_at is None for device in devices),
        passkeys=len(await factors.passkeys(bureau, acting, name)),
        app_passwords=sum(each.revoked_at is None and not lapsed(each, now) for each in held),
        sessions=len(await sessions.live(bureau, acting, name)),
        guesses=Guessed.of(await accounts.guesses(bureau, acting, name)),
        second_addresses=[
            SecondAddressRow(address=each.address, told_from=moment(each.active_at))
            for each in await store.addresses.list(name)
        ],
    )


@router.patch("/{name}", openapi_extra=needs(Act.SET_GROUP), responses=CHANGES)
async def change_account(caller: Program, name: Named, asked: AccountChange) -> AccountRow:
    """Put it into another group, whose policy then holds for it."""
    demand_group(caller, asked.group)
    return AccountRow.of(await accounts.change(caller.bureau, caller.acting, name, group=asked.group))


@router.delete("/{name}", status_code=204, openapi_extra=needs(Act.REMOVE), responses=CHANGES)
async def remove_account(caller: Program, name: Named) -> None:
    """Delete it with its credentials; its sessions end. The mailbox and the rows of the record stay."""
    await accounts.remove(caller.bureau, caller.acting, name)


@router.post("/{name}/suspend", status_code=204, openapi_extra=needs(Act.SUSPEND), responses=CHANGES)
async def suspend_account(caller: Program, name: Named) -> None:
    """Let nobody in by it, and end its sessions."""
    await accounts.suspend(caller.bureau, caller.acting, name)


@router.post("/{name}/resume", status_code=204, openapi_extra=needs(Act.RESUME), responses=CHANGES)
async def resume_account(caller: Program, name: Named) -> None:
    """Undo a suspension."""
    await accounts.resume(caller.bureau, caller.acting, name)


@router.post("/{name}/unlock", status_code=204, openapi_extra=needs(Act.UNLOCK), responses=CHANGES)
async def unlock_account(caller: Program, name: Named) -> None:
    """Forget the wrong secrets tried at this name, an account's or not."""
    await accounts.unlock(caller.bureau, caller.acting, name)


def demand_group(caller: Caller, group: str, field: str = "body.group") -> None:
    """The refusal below repeats the group, for people at a terminal; here what was sent is not repeated."""
    if group and group not in caller.bureau.limits.group:
        raise Refusal("there is no such group in the configuration", field)


def _new_name(caller: Caller, written: str, field: str) -> AccountName:
    try:
        return caller.bureau.canonical(written)
    except NameRefused as refused:
        raise Refusal(f"this account name {refused}", field) from None
