"""`mailguard account`: who has a mailbox behind the guard."""

from __future__ import annotations

from typing import Annotated

import typer

from mailguard.auth.accounts import Account, AppPassword
from mailguard.cli.ask import Yes, consent
from mailguard.cli.output import AsJson, Row, listing, note, one, say, when
from mailguard.cli.records import Address, Records, with_records
from mailguard.cli.refusal import Refusal

app = typer.Typer(no_args_is_help=True, help="Accounts: who has a mailbox behind the guard.")

Group = Annotated[str, typer.Option(help="The group whose policy holds for it.", metavar="NAME")]


@app.command("add")
def add(
    ctx: typer.Context,
    address: Address,
    group: Group = "",
    administrator: Annotated[bool, typer.Option("--administrator", help="Must have a second factor.")] = False,
) -> None:
    """Make an account before its first login."""

    async def work(records: Records) -> Account:
        _demand_group(records, group)
        return await records.store.accounts.add(
            records.name(address), actor=records.actor, group=group, administrator=administrator
        )

    account = with_records(ctx, work)
    say(f"added {account.name}")
    note(f"next: mailguard totp enrol {account.name}")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """All accounts."""

    async def read(records: Records) -> list[Row]:
        return [_row(account) for account in await records.store.accounts.list()]

    listing(with_records(ctx, read), as_json=as_json, empty="no accounts yet: mailguard account add ADDRESS")


@app.command("show")
def show(ctx: typer.Context, address: Address, as_json: AsJson = False) -> None:
    """One account: its standing, factors and sessions."""

    async def read(records: Records) -> Row:
        name = records.name(address)
        account = await records.store.accounts.get(name)
        if account is None:
            raise Refusal(f"there is no account {name}: see `mailguard account list`")
        devices = await records.store.devices.list(name)
        passwords = await records.store.app_passwords.list(name)
        sessions = await records.store.sessions.list(name)
        return {
            **_row(account),
            "two_factor": str(records.settings.policy.of(account.group).two_factor),
            "authenticators": sum(device.confirmed_at is not None for device in devices),
            "authenticators_unconfirmed": sum(device.confirmed_at is None for device in devices),
            "app_passwords": sum(_usable(password, records.now) for password in passwords),
            "sessions": len(sessions),
        }

    one(with_records(ctx, read), as_json=as_json)


@app.command("set")
def set_(
    ctx: typer.Context,
    address: Address,
    group: Annotated[str | None, typer.Option(help='Its group; "" for none.', metavar="NAME")] = None,
    administrator: Annotated[bool | None, typer.Option(help="Must have a second factor.")] = None,
) -> None:
    """Change an account's group or standing."""
    if group is None and administrator is None:
        raise typer.BadParameter("say what to change: --group NAME, --administrator or --no-administrator")

    async def work(records: Records) -> Account:
        _demand_group(records, group or "")
        return await records.store.accounts.change(
            records.name(address), actor=records.actor, group=group, administrator=administrator
        )

    account = with_records(ctx, work)
    standing = "an administrator" if account.administrator else "no administrator"
    say(f"{account.name} is {standing}, in {f'group {account.group}' if account.group else 'no group'}")


@app.command("suspend")
def suspend(ctx: typer.Context, address: Address) -> None:
    """Let nobody in by this account, and end its sessions now."""

    async def work(records: Records) -> str:
        await records.store.accounts.suspend(name := records.name(address), actor=records.actor)
        return name

    say(f"suspended {with_records(ctx, work)}; its sessions end now")


@app.command("resume")
def resume(ctx: typer.Context, address: Address) -> None:
    """Undo a suspension."""

    async def work(records: Records) -> str:
        await records.store.accounts.resume(name := records.name(address), actor=records.actor)
        return name

    say(f"resumed {with_records(ctx, work)}")


@app.command("unlock")
def unlock(ctx: typer.Context, address: Address) -> None:
    """Forget the wrong passwords and codes that were tried at this name."""

    async def work(records: Records) -> str:
        await records.store.accounts.unlock(name := records.name(address), actor=records.actor)
        return name

    say(f"unlocked {with_records(ctx, work)}")


@app.command("remove")
def remove(ctx: typer.Context, address: Address, yes: Yes = False) -> None:
    """Delete an account with its authenticators and app passwords, and end its sessions. The mailbox stays."""
    consent(f"Delete the account {address} with its authenticators and app passwords?", given=yes)

    async def work(records: Records) -> str:
        await records.store.accounts.remove(name := records.name(address), actor=records.actor)
        return name

    say(f"removed {with_records(ctx, work)}; its sessions end now")


def _demand_group(records: Records, group: str) -> None:
    if group and group not in records.settings.policy.group:
        raise Refusal(f"there is no group {group}: write [policy.group.{group}] in {records.settings.file} first")


def _row(account: Account) -> Row:
    return {
        "name": account.name,
        "id": account.id,
        "group": account.group,
        "administrator": account.administrator,
        "suspended": account.suspended,
        "factor_required": account.factor_required,
        "created": when(account.created_at),
    }


def _usable(password: AppPassword, now: float) -> bool:
    return password.revoked_at is None and (password.expires_at is None or password.expires_at > now)
