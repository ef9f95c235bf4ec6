"""The mailbox's password at the mail store: asked for and put to the store before anything is sealed or written."""

from __future__ import annotations

from typing import Annotated

import typer

from mailguard.auth.accounts import Account, AccountKind
from mailguard.auth.attempt import MailProtocol, Origin, Verdict
from mailguard.auth.credential import read
from mailguard.backends import identity
from mailguard.backends.target import Caller, target
from mailguard.cli.ask import secret_file
from mailguard.cli.records import Records
from mailguard.cli.refusal import Refusal
from mailguard.config import Login, Settings
from mailguard.secret import Secret

PasswordFile = Annotated[
    str,
    typer.Option(
        "--password-file",
        help='Where login = "own": a file with the mailbox\'s password at the mail store; "-" asks, or reads a line.',
        metavar="FILE",
    ),
]


def wanted(settings: Settings, scope: frozenset[MailProtocol]) -> MailProtocol | None:
    """A protocol of these whose legs open with the user's own password, for an app password to bring along."""
    return next((each for each in sorted(scope) if settings.backend[each].login is Login.OWN), None)


async def verified(records: Records, account: Account, protocol: MailProtocol, file: str) -> Secret:
    """The password that opens this mailbox, once the store has taken it. Refusal: what to do instead."""
    typed = secret_file(file, "Password of the mailbox at the mail store")
    password = read(typed).string  # spelled as it will be at a login
    way = target(protocol, records.settings.backend[protocol], hostname=records.settings.server.hostname)
    caller = Caller(Origin.of("127.0.0.1", 0), "mailguard-cli")
    answer = await identity.ask(way, account.name, password, caller)
    instead = ", or issue it with --claim: its owner's sign-in brings the password" if _signs_in(account) else ""
    match answer.verdict:
        case Verdict.YES:
            return password
        case Verdict.NO:
            raise Refusal(f"the mail store does not take this password for {account.name}: give the right one{instead}")
        case Verdict.UNAVAILABLE:
            raise Refusal(f"the mail store could not be asked ({answer.detail}): try again later{instead}")


def _signs_in(account: Account) -> bool:
    return account.kind is AccountKind.PERSON
