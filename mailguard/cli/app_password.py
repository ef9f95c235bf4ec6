"""`mailguard app-password`: passwords for clients that cannot ask for a code."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

import typer

from mailguard.admin import app_passwords
from mailguard.admin.app_passwords import Wish
from mailguard.auth import vault
from mailguard.auth.accounts import Account, AccountKind, AppPassword, Claim, Network, VaultEntry
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.passwords import digest_app_password, generate_app_password, grouped
from mailguard.cli.ask import Yes, consent
from mailguard.cli.length import seconds
from mailguard.cli.output import AsJson, Row, counted, json_object, listing, note, say, when
from mailguard.cli.records import Address, Records, with_records
from mailguard.cli.refusal import Refusal
from mailguard.cli.store_password import PasswordFile, verified, wanted
from mailguard.config import Settings
from mailguard.store import new_id

app = typer.Typer(no_args_is_help=True, help="App passwords: for clients that cannot ask for a code.")


@app.command("issue")
def issue(
    ctx: typer.Context,
    address: Address,
    *,
    label: Annotated[str, typer.Option(help='What it is for, such as "Ann\'s phone".', metavar="L")],
    protocol: Annotated[
        str, typer.Option(help="What it opens; else every protocol there is.", metavar="imap,submission")
    ] = "",
    network: Annotated[
        list[str] | None, typer.Option(help="Accept it from here alone; may be repeated.", metavar="CIDR")
    ] = None,
    expires: Annotated[str, typer.Option(help="Its life, such as 90d; never for none.", metavar="90d")] = "",
    idle: Annotated[str, typer.Option(help="Unused for so long it lapses; never for none.", metavar="30d")] = "",
    person: Annotated[str, typer.Option(help="Whose it is, of a shared mailbox.", metavar="ADDRESS")] = "",
    client_lock: Annotated[
        bool, typer.Option("--client-lock", help="Bind it to the first name that its IMAP client gives.")
    ] = False,
    file: PasswordFile = "-",
    claim: Annotated[
        bool, typer.Option("--claim", help="Print a link instead, which its owner opens within 24 hours, signed in.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an app password and print it, once."""
    protocols = _protocols(protocol)
    networks = tuple(_network(each) for each in network or ())
    life = None if expires == "never" else seconds(expires, "--expires")
    rest = None if idle == "never" else seconds(idle, "--idle", "1m")

    async def work(records: Records) -> tuple[Claim | AppPassword, str]:
        if claim and not records.settings.portal.address:
            raise Refusal(
                f'no page opens a link: portal.address is "none" in {records.settings.file}; issue it without --claim'
            )
        account = await _account(records, address)
        policy = records.settings.policy.of(account.group)
        wish = Wish(
            label=label,
            protocols=_scope(records.settings, protocols),
            networks=networks,
            life=life if expires else policy.app_password_expires,
            idle=rest if idle else policy.app_password_idle,
            person=records.name(person) if person else None,
            client_lock=client_lock,
        )
        if claim:
            if account.kind is not AccountKind.PERSON and wanted(records.settings, wish.protocols) is not None:
                raise Refusal(
                    f"{account.name} is a {account.kind} account, whose password at the mail store no sign-in brings: "
                    "issue it without --claim, and give that password"
                )
            link = await app_passwords.claim_link(records.bureau, records.acting, account.name, wish)
            return link.row, link.url
        return await _at_once(records, account, wish, file)

    made, shown = with_records(ctx, work)
    if as_json:
        json_object({"id": made.id, "secret": shown})
        return
    say(shown)
    if isinstance(made, Claim):
        note(f"whoever opens it by {when(made.expires_at)}, signed in as its owner, is shown an app password; once")
        return
    until = f"until {when(made.expires_at)}" if made.expires_at else "until it is revoked"
    note(f"app password {made.id} for {', '.join(sorted(made.protocols))}, {until}; it is not shown again")


async def _at_once(records: Records, account: Account, wish: Wish, file: str) -> tuple[AppPassword, str]:
    """The app password that a link of the same wording would make, and what it is typed as."""
    secret, row_id, now = generate_app_password(), new_id(), records.now
    made = AppPassword(
        id=row_id,
        account_id=account.id,
        label=wish.label,
        protocols=wish.protocols,
        networks=wish.networks,
        created_at=now,
        expires_at=None if wish.life is None else now + wish.life,
        idle=wish.idle,
        issued_by=records.actor,
        seen_by_operator=True,
        person_id="" if wish.person is None else (await _account(records, wish.person)).id,
        public=vault.public_half(secret, row_id),
        client_lock=wish.client_lock,
    )
    kept = records.store.app_passwords
    await kept.demand_fit(account.name, made)  # before anybody is asked for a password
    own = wanted(records.settings, made.protocols)
    await kept.issue(
        account.name,
        made,
        digest_app_password(records.keyring, secret.reveal()),
        actor=records.actor,
        limit=records.settings.policy.of(account.group).app_password_limit,
        store_password=None if own is None else await verified(records, account, own, file),
    )
    return made, grouped(secret)


@app.command("list")
def list_(ctx: typer.Context, address: Address, as_json: AsJson = False) -> None:
    """An account's app passwords, revoked and expired ones too."""

    async def read(records: Records) -> list[Row]:
        name = records.name(address)
        found = await records.store.app_passwords.list(name)
        entries = await records.store.vault.entries(name)
        people = {each.id: each.name for each in await records.store.accounts.list()}
        return [_row(each, people.get(each.person_id, each.person_id), entries.get(each.id)) for each in found]

    empty = f"no app passwords: mailguard app-password issue {address} --label L"
    listing(with_records(ctx, read), as_json=as_json, empty=empty)


@app.command("revoke")
def revoke(
    ctx: typer.Context,
    address: Address,
    app_password_id: Annotated[str, typer.Argument(metavar="ID", help="Which one, as `list` names it.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All of the account's.")] = False,
    yes: Yes = False,
) -> None:
    """End an app password and its sessions now."""
    if bool(app_password_id) == every:
        raise typer.BadParameter("name one ID, or --all")
    if every:
        consent(f"Revoke every app password of {address}?", given=yes)

    async def work(records: Records) -> str:
        name = records.name(address)
        if every:
            count = await app_passwords.revoke_all(records.bureau, records.acting, name)
            return f"{counted(count, 'app password')} of {name}"
        await app_passwords.revoke(records.bureau, records.acting, name, app_password_id)
        return app_password_id

    say(f"revoked {with_records(ctx, work)}; sessions opened with {'them' if every else 'it'} end now")


@app.command("renew")
def renew(ctx: typer.Context, address: Address, file: PasswordFile = "-") -> None:
    """Seal a mailbox's new password to all its app passwords. For mailboxes that nobody signs in to."""

    async def work(records: Records) -> str:
        account = await _account(records, address)
        own = wanted(records.settings, frozenset(map(MailProtocol, records.settings.backend)))
        if own is None:
            raise Refusal('no [backend.…] has login = "own": app passwords need no password of the mail store')
        password = await verified(records, account, own, file)
        count = await records.store.vault.renew(account.name, password, actor=records.actor)
        return f"{counted(count, 'app password')} of {account.name}"

    say(f"renewed {with_records(ctx, work)}")


async def _account(records: Records, typed: str) -> Account:
    name = records.name(typed)
    account = await records.store.accounts.get(name)
    if account is None:
        raise Refusal(f"there is no account {name}; do: mailguard account add {name}")
    return account


def _protocols(written: str) -> frozenset[MailProtocol]:
    try:
        return frozenset(MailProtocol(each.strip()) for each in written.split(",")) if written else frozenset()
    except ValueError:
        known = ", ".join(MailProtocol)
        raise typer.BadParameter(f"must be one or several of {known}", param_hint="--protocol") from None


def _network(written: str) -> Network:
    try:
        return ip_network(written)
    except ValueError as error:
        raise typer.BadParameter(f"must be a network such as 192.0.2.0/24 ({error})", param_hint="--network") from None


def _scope(settings: Settings, asked: frozenset[MailProtocol]) -> frozenset[MailProtocol]:
    """What it shall open."""
    there = frozenset(MailProtocol(name) for name in settings.backend)
    scope = asked or there
    if absent := scope - there:
        raise Refusal(f"there is no [backend.{min(absent)}] in {settings.file.name}; leave {min(absent)} out")
    return scope


def _row(each: AppPassword, person: str, entry: VaultEntry | None) -> Row:
    return {
        "id": each.id,
        "label": each.label,
        "person": person,
        "protocols": sorted(each.protocols),
        "networks": [str(network) for network in each.networks],
        "created": when(each.created_at),
        "expires": when(each.expires_at),
        "lapses": when(each.lapses_at),
        "revoked": when(each.revoked_at),
        "last_used": when(each.last_used_at),
        "last_used_from": each.last_used_from,
        "last_used_protocol": each.last_used_protocol,
        "last_client": each.last_client,
        "client_lock": each.client_lock,
        "client_bound": each.client_bound,
        "issued_by": each.issued_by,
        "seen_by_operator": each.seen_by_operator,
        "store_password": _sealed(entry),
    }


def _sealed(entry: VaultEntry | None) -> str:
    """Of the vault: whether this device brings the mailbox's password at the store along."""
    if entry is None:
        return ""
    return "sealed" if entry.refused_at is None else f"refused {when(entry.refused_at)}, renewed at the next sign-in"
