"""`mailguard totp`: authenticators, active only once a code of theirs was shown."""

from __future__ import annotations

import sys
from typing import Annotated

import segno
import typer

from mailguard.admin import factors
from mailguard.auth import otpauth, totp
from mailguard.auth.accounts import TotpDevice
from mailguard.cli.ask import Yes, consent, secret_file, secret_line
from mailguard.cli.output import AsJson, Row, json_object, listing, note, say, when
from mailguard.cli.records import Address, Records, with_records
from mailguard.cli.refusal import Refusal

app = typer.Typer(no_args_is_help=True, help="Authenticators: apps that show codes.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The authenticator, as `totp list` names it.")]


@app.command("enrol")
def enrol(
    ctx: typer.Context,
    address: Address,
    label: Annotated[str, typer.Option(help="What to call it.", metavar="NAME")] = "authenticator",
    uri_file: Annotated[
        str,
        typer.Option(
            help="Keep an authenticator that exists already: a file that holds its otpauth link; - for a prompt or "
            "standard input.",
            metavar="FILE",
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make an authenticator and show its QR code, once. It counts for nothing before `totp confirm`."""
    if uri_file:
        _import(ctx, address, label, uri_file, as_json=as_json)
        return

    async def work(records: Records) -> tuple[TotpDevice, str]:
        name = records.name(address)
        device = await records.store.devices.enrol(name, label, totp.new_seed(), actor=records.actor)
        return device, totp.provisioning_uri(device, name, records.settings.server.hostname)

    device, uri = with_records(ctx, work)
    if as_json:
        json_object({"id": device.id, "secret": device.seed.reveal().decode(), "uri": uri})
        return
    segno.make(uri, error="m").terminal(out=sys.stdout, compact=True)
    say(f"\n{uri}\n\nauthenticator {device.id}")
    note(f"scan it now, it is not shown again; then: mailguard totp confirm {address}")


def _import(ctx: typer.Context, address: str, label: str, file: str, *, as_json: bool) -> None:
    try:
        found = otpauth.read(secret_file(file, "Link"))
    except otpauth.LinkRefused as refused:
        raise Refusal(f"this link {refused}") from None

    async def work(records: Records) -> TotpDevice:
        return await records.store.devices.enrol(
            records.name(address),
            label,
            found.seed,
            actor=records.actor,
            digits=found.digits,
            period=otpauth.PERIOD,
            algorithm=found.algorithm,
        )

    device = with_records(ctx, work)
    if as_json:
        json_object({"id": device.id})
        return
    say(f"authenticator {device.id}")
    note(f"next, with a code that it shows: mailguard totp confirm {address}")


@app.command("confirm")
def confirm(
    ctx: typer.Context,
    address: Address,
    device_id: Annotated[
        str, typer.Option("--id", help="Which one; else the newest unconfirmed one.", metavar="ID")
    ] = "",
) -> None:
    """Activate an authenticator by a code that it shows. It is asked for, or read from standard input."""

    async def find(records: Records) -> str:
        name = records.name(address)
        waiting = [each.id for each in await records.store.devices.list(name) if each.confirmed_at is None]
        if device_id and device_id not in waiting:
            raise Refusal(f"{name} has no unconfirmed authenticator {device_id}: see `mailguard totp list {name}`")
        if not waiting:
            raise Refusal(f"{name} has no authenticator to confirm; do: mailguard totp enrol {name}")
        return device_id or waiting[-1]

    found = with_records(ctx, find)
    code = secret_line("Code").replace(" ", "")

    async def work(records: Records) -> None:
        device = await records.store.devices.get(found)
        if device is None:
            raise Refusal(f"authenticator {found} was removed meanwhile; do: mailguard totp enrol {address}")
        step = totp.step_of(device, code, records.now, records.settings.policy.code_window)
        if step is None:
            raise Refusal(
                "this code does not fit now; see that the phone and this machine show the same time, "
                f"then type the next one: mailguard totp confirm {address}"
            )
        await records.store.devices.confirm(device.id, step, actor=records.actor)

    with_records(ctx, work)
    say(f"confirmed authenticator {found}; from the next code on it is what {address} logs in with")


@app.command("list")
def list_(ctx: typer.Context, address: Address, as_json: AsJson = False) -> None:
    """An account's authenticators."""

    async def read(records: Records) -> list[Row]:
        return [_row(device) for device in await records.store.devices.list(records.name(address))]

    empty = f"no authenticators: mailguard totp enrol {address}"
    listing(with_records(ctx, read), as_json=as_json, empty=empty)


@app.command("rename")
def rename(
    ctx: typer.Context,
    address: Address,
    device_id: Id,
    label: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
) -> None:
    """Call an authenticator something else."""

    async def work(records: Records) -> None:
        await records.store.devices.rename(records.name(address), device_id, label, actor=records.actor)

    with_records(ctx, work)
    say(f"authenticator {device_id} is called {label}")


@app.command("resync")
def resync(ctx: typer.Context, address: Address) -> None:
    """Set back a counter that is ahead of the clock. For when this machine's clock once was wrong."""

    async def work(records: Records) -> tuple[TotpDevice, ...]:
        name = records.name(address)
        found = await records.store.devices.resync(name, actor=records.actor)
        if not found:
            raise Refusal(
                f"no authenticator of {name} is ahead of this machine's clock ({when(records.now)}): see that the "
                f"phone shows the same time, or enrol it anew: mailguard totp enrol {name}"
            )
        return found

    for device in with_records(ctx, work):
        say(f"set back authenticator {device.id}; its next code counts again")


@app.command("remove")
def remove(ctx: typer.Context, address: Address, device_id: Id, yes: Yes = False) -> None:
    """Remove one authenticator; sessions opened with it end."""
    consent(f"Remove authenticator {device_id} of {address}?", given=yes)

    async def work(records: Records) -> None:
        await factors.remove(records.bureau, records.acting, records.name(address), device_id)

    with_records(ctx, work)
    say(f"removed authenticator {device_id}; sessions opened with it end now")


@app.command("reset")
def reset(
    ctx: typer.Context,
    address: Address,
    app_passwords: Annotated[bool, typer.Option("--app-passwords", help="Revoke its app passwords too.")] = False,
    yes: Yes = False,
) -> None:
    """Remove all authenticators and end all sessions. Bare passwords stay refused until a new one is confirmed."""
    consent(f"Remove every authenticator of {address} and end its sessions?", given=yes)

    async def work(records: Records) -> str:
        name = records.name(address)
        await factors.reset(records.bureau, records.acting, name, app_passwords=app_passwords)
        return name

    name = with_records(ctx, work)
    say(f"reset {name}; its sessions end now" + (", its app passwords are revoked" if app_passwords else ""))
    note("the bare password opens nothing until a new one is confirmed")
    note(f"next: mailguard totp enrol {name}")


def _row(device: TotpDevice) -> Row:
    return {
        "id": device.id,
        "label": device.name,
        "confirmed": when(device.confirmed_at),
        "digits": device.digits,
        "algorithm": device.algorithm,
        "created": when(device.created_at),
        "last_used": when(device.last_step * device.period) if device.last_step else None,
    }
