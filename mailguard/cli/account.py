"""`mailguard account`: who has a mailbox behind the guard."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from mailguard.admin import accounts
from mailguard.admin.accounts import Imported
from mailguard.app.rules import policies_of
from mailguard.auth.accounts import Account, AccountKind, AccountName, AppPassword
from mailguard.auth.decision import lapsed
from mailguard.auth.roles import EVERYTHING, Role
from mailguard.cli import own_password, roles, sync
from mailguard.cli import second_address as second
from mailguard.cli.ask import Yes, consent
from mailguard.cli.output import AsJson, Row, counted, json_object, listing, note, one, say, when
from mailguard.cli.records import Address, Records, with_records
from mailguard.cli.refusal import Refusal
from mailguard.cli.roles import WantedLimit, WantedRole
from mailguard.config.kinds import in_words
from mailguard.store.waiting import Guesses

app = typer.Typer(no_args_is_help=True, help="Accounts: who has a mailbox behind the guard.")

Group = Annotated[str, typer.Option(help="The group whose policy holds for it.", metavar="NAME")]


@app.command("add")
def add(
    ctx: typer.Context,
    address: Address,
    *,
    group: Group = "",
    role: WantedRole = None,
    role_limit: WantedLimit = None,
    kind: Annotated[
        AccountKind, typer.Option(help="Who gets in: a person, several by app passwords of their own, or a device.")
    ] = AccountKind.PERSON,
) -> None:
    """Make an account before its first login. Its kind stays what it is."""

    async def work(records: Records) -> Account:
        return await accounts.add(
            records.bureau,
            records.acting,
            records.name(address),
            group=group,
            role=roles.role(role) or Role.NONE,
            role_limit=roles.limit(role_limit) or EVERYTHING,
            kind=kind,
        )

    account = with_records(ctx, work)
    say(f"added {account.name}")
    match account.kind:
        case AccountKind.PERSON:
            note(f"next: mailguard totp enrol {account.name}")
        case AccountKind.SHARED:
            note(f"next: mailguard account set {account.name} --member PERSON")
        case AccountKind.SERVICE:
            note(f"next: mailguard app-password issue {account.name} --label L --protocol P --network CIDR")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """All accounts."""

    async def read(records: Records) -> list[Row]:
        people = await records.store.members.all()
        return [_row(account, people) for account in await records.store.accounts.list()]

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
        passkeys = await records.store.passkeys.list(name)
        passwords = await records.store.app_passwords.list(name)
        sessions = await records.store.sessions.list(name)
        people = await records.store.members.all()
        return {
            **_row(account, people),
            "member_of": [mailbox for mailbox, members in people.items() if name in members],
            **_policy(records, account),
            "authenticators": sum(device.confirmed_at is not None for device in devices),
            "authenticators_unconfirmed": sum(device.confirmed_at is None for device in devices),
            "passkeys": len(passkeys),
            "app_passwords": sum(_usable(password, records.now) for password in passwords),
            "sessions": len(sessions),
            **_guesses(await records.store.accounts.guesses(name)),
            "second_addresses": [second.shown(a, records.now) for a in await records.store.addresses.list(name)],
        }

    one(with_records(ctx, read), as_json=as_json)


@app.command("set")
def set_(
    ctx: typer.Context,
    address: Address,
    *,
    group: Annotated[str | None, typer.Option(help='Its group; "" for none.', metavar="NAME")] = None,
    role: WantedRole = None,
    role_limit: WantedLimit = None,
    member: Annotated[
        list[str] | None,
        typer.Option(help="May hold app passwords of this shared mailbox; may be repeated.", metavar="PERSON"),
    ] = None,
    no_member: Annotated[
        list[str] | None,
        typer.Option(help="No longer: what they hold there is revoked; may be repeated.", metavar="PERSON"),
    ] = None,
    second_address: Annotated[
        list[str] | None,
        typer.Option(help="Told of what happens to it, from 72 hours on; may be repeated.", metavar="ADDRESS"),
    ] = None,
    no_second_address: Annotated[
        list[str] | None, typer.Option(help="Told no more; may be repeated.", metavar="ADDRESS")
    ] = None,
) -> None:
    """Change an account: group, standing, people, second addresses."""
    standing = any(each is not None for each in (group, role, role_limit))
    if not (standing or member or no_member or second_address or no_second_address):
        raise typer.BadParameter(
            "say what to change: --group NAME, --role ROLE, --role-limit WHAT, --[no-]member PERSON"
            ", --[no-]second-address ADDRESS"
        )
    wanted, limit = roles.role(role), roles.limit(role_limit)

    async def work(records: Records) -> None:
        name = records.name(address)
        if standing:
            _tell_standing(
                await accounts.change(records.bureau, records.acting, name, group=group, role=wanted, role_limit=limit)
            )
        await second.change(records, name, added=second_address or (), removed=no_second_address or ())
        for each in member or ():
            await records.store.members.add(name, person := records.name(each), actor=records.actor)
            say(f"{person} may hold app passwords of {name}")
            note(f"next: mailguard app-password issue {name} --person {person} --label L")
        for each in no_member or ():
            revoked = await records.store.members.remove(name, person := records.name(each), actor=records.actor)
            ended = f"{counted(revoked, 'app password')} revoked, sessions end now"
            say(f"{person} no longer stands behind {name}; {ended}")

    with_records(ctx, work)


def _tell_standing(account: Account) -> None:
    role = (
        f"{account.role} of {str(account.role_limit) or 'everything'}" if account.administrator else "no administrator"
    )
    say(f"{account.name} is {role}, in {f'group {account.group}' if account.group else 'no group'}")


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Lines of address or address,group; - for standard input.")
    ],
    as_json: AsJson = False,
) -> None:
    """Make the accounts of a list. Whoever has one keeps it as it is. Lines that begin with # are notes."""
    lines = _lines(file)

    async def work(records: Records) -> Imported:
        return await accounts.bring(records.bureau, records.acting, lines)

    done = with_records(ctx, work)
    if as_json:
        json_object({"added": done.added, "there": done.there})
        return
    for name in done.added:
        say(f"added {name}")
    note(f"{counted(len(done.added), 'account')} added, {len(done.there)} were there already")


def _lines(file: Path) -> list[str]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Refusal(f"{file} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise Refusal(f"{file} must be text in UTF-8, an address a line") from None
    return text.splitlines()


app.command("password")(own_password.password)
app.command("sync")(sync.sync)


@app.command("suspend")
def suspend(ctx: typer.Context, address: Address) -> None:
    """Let nobody in by this account, and end its sessions now."""

    async def work(records: Records) -> str:
        await accounts.suspend(records.bureau, records.acting, name := records.name(address))
        return name

    say(f"suspended {with_records(ctx, work)}; its sessions end now")


@app.command("resume")
def resume(ctx: typer.Context, address: Address) -> None:
    """Undo a suspension."""

    async def work(records: Records) -> str:
        await accounts.resume(records.bureau, records.acting, name := records.name(address))
        return name

    say(f"resumed {with_records(ctx, work)}")


@app.command("unlock")
def unlock(ctx: typer.Context, address: Address) -> None:
    """Forget the wrong passwords and codes tried at this name."""

    async def work(records: Records) -> str:
        await accounts.unlock(records.bureau, records.acting, name := records.name(address))
        return name

    say(f"unlocked {with_records(ctx, work)}")


@app.command("remove")
def remove(ctx: typer.Context, address: Address, yes: Yes = False) -> None:
    """Delete an account, its authenticators and app passwords. Its sessions end; the mailbox stays."""
    consent(f"Delete the account {address} with its authenticators and app passwords?", given=yes)

    async def work(records: Records) -> str:
        await accounts.remove(records.bureau, records.acting, name := records.name(address))
        return name

    say(f"removed {with_records(ctx, work)}; its sessions end now")


def _row(account: Account, people: Mapping[AccountName, Sequence[AccountName]]) -> Row:
    return {
        "name": account.name,
        "id": account.id,
        "kind": str(account.kind),
        "members": list(people.get(account.name, ())),
        "group": account.group,
        "role": account.role.value,
        "role_limit": str(account.role_limit),
        "suspended": account.suspended,
        "suspended_by": account.suspended_by.value,
        "factor_required": account.factor_required,
        "created": when(account.created_at),
    }


def _policy(records: Records, account: Account) -> Row:
    """What holds for it now, its group, its standing and the day considered."""
    written = records.settings.policy.of(account.group)
    policy = policies_of(records.settings.policy).of(account)
    return {
        "two_factor": str(policy.mode(account, records.now)),
        "enforce_from": policy.enforced_on(),
        "trusted_networks": [f"{each.network} until {each.until}" for each in written.trusted_networks],
        "codes_in_mail_clients": policy.codes_in_mail_clients,
        "grant_limit": in_words(written.grant_limit),
        "grant_idle": in_words(written.grant_idle),
        "grant_connections": written.grant_connections,
        "app_password_limit": written.app_password_limit,
    }


def _guesses(guesses: Guesses) -> Row:
    return {
        "wrong_in_a_row": guesses.in_a_row,
        "waits_until": _until(guesses.strangers),
        "waits_until_at_known_networks": _until(guesses.known),
        "networks_waiting": guesses.networks,
        "networks_waiting_until": _until(guesses.longest),
    }


def _until(end: float | None) -> str | None:
    return "unlocked" if end is not None and math.isinf(end) else when(end)


def _usable(password: AppPassword, now: float) -> bool:
    return password.revoked_at is None and not lapsed(password, now)
