"""`mailguard readiness`: who would be locked out if two-factor were enforced today, by which client, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

import typer

from mailguard.app.rules import policies_of
from mailguard.auth.accounts import Account, AccountKind, AccountName, AppPassword
from mailguard.auth.policy import Bare, Policies, Policy
from mailguard.cli.length import moment
from mailguard.cli.output import AsJson, Row, listing, note, when
from mailguard.cli.records import Records, with_records
from mailguard.cli.refusal import Refusal
from mailguard.config.choices import TwoFactor

if TYPE_CHECKING:
    from mailguard.store.watched import Seen


def readiness(
    ctx: typer.Context,
    group: Annotated[str, typer.Option(help="One group only.", metavar="NAME")] = "",
    since: Annotated[str, typer.Option(help="How far back the record is read.", metavar="TIME")] = "30d",
    as_json: AsJson = False,
) -> None:
    """Who would be locked out by `enforce` today. By which client, as the logins of the last 30 days show it."""

    async def read(records: Records) -> list[Row]:
        if group and group not in records.settings.policy.group:
            raise Refusal(f"there is no group {group}: write [policy.group.{group}] in {records.settings.file} first")
        watched = records.store.watched
        people = [a for a in await watched.without_factor() if not group or a.group == group]
        logins = await watched.since(moment(since, records.now, "--since") or 0.0)
        policies = policies_of(records.settings.policy)
        return list(_rows(people, logins, await watched.handed_out(), policies, records.now))

    found = with_records(ctx, read)
    listing(found, as_json=as_json, empty=f"nobody would be locked out, as far as the last {since} show")
    locked = {row["account"] for row in found if row["outcome"] == LOCKED_OUT}
    if locked:
        note(f"{len(locked)} accounts would be locked out")


LOCKED_OUT, TRUSTED, MARKED = "locked out", "trusted network", "app password"


def _rows(
    people: Sequence[Account], logins: Sequence[Seen], handed_out: Sequence[AppPassword], policies: Policies, now: float
) -> Iterator[Row]:
    by_name = {account.name: account for account in people if _signs_in(account)}
    for seen in logins:
        account = by_name.get(AccountName(seen.place.account))
        if account is not None:
            yield _login(account, seen, policies.of(account), now)
    by_id = {account.id: account for account in people if _signs_in(account)}
    for each in handed_out:
        if each.account_id in by_id:
            yield _handed_out(by_id[each.account_id], each)


def _signs_in(account: Account) -> bool:
    return account.kind is AccountKind.PERSON and not account.suspended


def _login(account: Account, seen: Seen, policy: Policy, now: float) -> Row:
    place, name = seen.place, account.name
    enforced = replace(policy, two_factor=TwoFactor.ENFORCE, enforce_from=None)
    trusted = enforced.bare(account, ip_address(place.address), now) is Bare.TRUSTED
    return {
        "account": name,
        "group": account.group,
        "outcome": TRUSTED if trusted else LOCKED_OUT,
        "client": place.client,
        "address": place.address,
        "protocol": place.protocol,
        "logins": seen.passed,
        "refused": seen.refused,
        "since": when(seen.since),
        "last": when(seen.last_at),
        "remedy": f"mailguard totp enrol {name}; then for this client: mailguard app-password issue {name} --label L",
    }


def _handed_out(account: Account, each: AppPassword) -> Row:
    return {
        "account": account.name,
        "group": account.group,
        "outcome": MARKED,
        "client": each.label,
        "address": "",
        "protocol": "",
        "logins": 0,
        "refused": 0,
        "since": when(each.created_at),
        "last": None,
        "remedy": "it goes on working; an operator issued it to somebody without a factor: "
        f"mailguard totp enrol {account.name}",
    }
