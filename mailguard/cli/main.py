"""`mailguard [--config PATH] NOUN VERB …`: the command line, one file a noun."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mailguard.cli import (
    account,
    api_key,
    app_password,
    audit,
    check,
    config,
    demo,
    dns,
    explain,
    grant,
    init,
    keys,
    one_time,
    passkey,
    readiness,
    recovery_codes,
    serve,
    session,
    store,
    totp,
)
from mailguard.cli.refusal import Commands

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"max_content_width": 100},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A guard before a mail store: a second factor for IMAP and submission.",
)


@app.callback()
def mailguard(
    ctx: typer.Context,
    config: Annotated[
        Path, typer.Option(envvar="MAILGUARD_CONFIG", help="The configuration file.", metavar="PATH")
    ] = Path("config.toml"),
) -> None:
    """Remember which configuration is meant."""
    ctx.obj = config


app.command("init")(init.init)
app.command("check")(check.check)
app.command("explain")(explain.explain)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("dns")(dns.dns)
app.command("readiness")(readiness.readiness)
app.add_typer(account.app, name="account")
app.add_typer(totp.app, name="totp")
app.add_typer(passkey.app, name="passkey")
app.add_typer(recovery_codes.app, name="recovery-codes")
app.add_typer(one_time.bypass, name="bypass")
app.add_typer(one_time.enrolment_code, name="enrolment-code")
app.add_typer(api_key.app, name="api-key")
app.add_typer(app_password.app, name="app-password")
app.add_typer(grant.app, name="grant")
app.add_typer(session.app, name="session")
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="keys")
app.add_typer(store.app, name="store")
app.add_typer(config.app, name="config")


def main() -> None:
    """The entry point of the `mailguard` program."""
    app(prog_name="mailguard")
