"""Acts on one account that a page asks about once more, and then does: a closed table, one line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.admin import accounts, app_passwords, factors, grants, sessions
from mailguard.admin.gate import Act

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mailguard.admin.acting import Acting
    from mailguard.admin.bureau import Bureau
    from mailguard.auth.accounts import AccountName


@dataclass(frozen=True, slots=True)
class Whole:
    """An act on the account as a whole."""

    act: Act
    do: Callable[[Bureau, Acting, AccountName], Awaitable[object]]
    gone: bool = False  # there is no account to go back to


@dataclass(frozen=True, slots=True)
class Part:
    """An act on one thing of it. `named` holds what there is: an id of somebody else's is not among it."""

    act: Act
    named: Callable[[Bureau, Acting, AccountName], Awaitable[Mapping[str, str]]]  # by id
    do: Callable[[Bureau, Acting, AccountName, str], Awaitable[object]]


async def _reset_all(bureau: Bureau, acting: Acting, name: AccountName) -> None:
    await factors.reset(bureau, acting, name, app_passwords=True)


async def _authenticators(bureau: Bureau, acting: Acting, name: AccountName) -> Mapping[str, str]:
    return {each.id: each.name for each in await factors.devices(bureau, acting, name)}


async def _passkeys(bureau: Bureau, acting: Acting, name: AccountName) -> Mapping[str, str]:
    return {each.id: each.name for each in await factors.passkeys(bureau, acting, name)}


async def _app_passwords(bureau: Bureau, acting: Acting, name: AccountName) -> Mapping[str, str]:
    return {each.id: each.label for each in await app_passwords.seen(bureau, acting, name)}


async def _grants(bureau: Bureau, acting: Acting, name: AccountName) -> Mapping[str, str]:
    return {each.grant.id: each.grant.network for each in await grants.live(bureau, acting, name)}


async def _sessions(bureau: Bureau, acting: Acting, name: AccountName) -> Mapping[str, str]:
    return {each.id: f"{each.protocol} {each.address}" for each in await sessions.live(bureau, acting, name)}


async def _browsers(bureau: Bureau, acting: Acting, name: AccountName) -> Mapping[str, str]:
    return {each.id: f"{each.address} {each.agent}" for each in await sessions.browsers(bureau, acting, name)}


async def _end_grant(bureau: Bureau, acting: Acting, _: AccountName, grant_id: str) -> None:
    await grants.revoke(bureau, acting, grant_id)


async def _end_session(bureau: Bureau, acting: Acting, _: AccountName, session_id: str) -> None:
    await sessions.end(bureau, acting, session_id)


WHOLE = {
    "suspend": Whole(Act.SUSPEND, accounts.suspend),
    "resume": Whole(Act.RESUME, accounts.resume),
    "unlock": Whole(Act.UNLOCK, accounts.unlock),
    "remove": Whole(Act.REMOVE, accounts.remove, gone=True),
    "reset": Whole(Act.RESET, factors.reset),
    "reset-all": Whole(Act.RESET, _reset_all),
    "revoke-all": Whole(Act.REVOKE, app_passwords.revoke_all),
    "end-sessions": Whole(Act.REVOKE, sessions.end_of_account),
}
PARTS = {
    "authenticator": Part(Act.REMOVE_FACTOR, _authenticators, factors.remove),
    "passkey": Part(Act.REMOVE_FACTOR, _passkeys, factors.remove_passkey),
    "app-password": Part(Act.REVOKE, _app_passwords, app_passwords.revoke),
    "grant": Part(Act.REVOKE, _grants, _end_grant),
    "session": Part(Act.REVOKE, _sessions, _end_session),
    "browser": Part(Act.REVOKE, _browsers, sessions.end_browser),
}
