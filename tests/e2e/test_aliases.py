"""Further names of one account at the real doors, before a real store that knows its own name for it alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import MailProtocol
from tests.e2e import clients
from tests.e2e.clients import Login
from tests.e2e.guard import Guard, serving
from tests.e2e.programs import answered, failed, granted
from tests.e2e.stack import Stack, User

TEMPLATE = {"username": "{local}@example.org"}  # of a store with one domain


@pytest.fixture(scope="module")
def alias(stack: Stack) -> User:
    """A user whom the file calls `team` as well."""
    return stack.user()


@pytest.fixture(scope="module")
def guard(stack: Stack, alias: User, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    folder = tmp_path_factory.mktemp("aliases")
    (folder / "aliases").write_text(_file(alias))
    tables = {"names": {"aliases": "aliases"}, "backend": {"imap": TEMPLATE, "submission": TEMPLATE}}
    with serving(stack, folder, "master", tables) as guard:
        yield guard


def _file(user: User) -> str:
    return f"# of the tests\nteam {user.name}\nCORP\\* *@example.org\n"


def _aliases(guard: Guard) -> Path:
    return guard.configuration.with_name("aliases")


async def test_a_program_logs_in_by_each_name_and_all_are_one_account(guard: Guard, alias: User) -> None:
    person = await guard.enrolled(alias)
    local = alias.name.partition("@")[0]
    names = ("team", "Team@Example.ORG", f"CORP\\{local}", f"corp\\{local.upper()}", "CORP\\team", alias.name)
    for protocol, name in zip(MailProtocol, names[1:3], strict=True):  # no way around the factor
        assert failed(await answered(guard, protocol, Login(name, alias.password), guard.stack.address())), name
    typed = person.login().password
    for name in names:  # the first opens a grant, the others are further connections by the very same string
        for protocol in MailProtocol:
            assert granted(await answered(guard, protocol, Login(name, typed))), name
    mark = guard.stack.logs["master"].mark()
    secret = await guard.issued(alias)
    with clients.imap(guard.imap(), Login(f"CORP\\{local}", secret)) as imap:  # imaplib's LOGIN, a quoted string
        assert imap.select("INBOX")[0] == "OK"
    with clients.smtp(guard.submission(), Login("team", secret)) as smtp:
        assert smtp.mail(alias.name)[0] == 250
    guard.stack.logs["master"].wait_for(rf"Login: user=<{alias.name}>", mark)
    async with guard.records() as records:
        accounts = {account.name for account in await records.accounts.list()}
        recorded = [
            entry.row
            for entry in await records.audit.list(AccountName(alias.name))
            if entry.row.event.startswith("login-")
        ]
    assert not {name for name in accounts if not name.startswith("u")}
    assert len(recorded) == 2 + 2 * len(names) + 2


async def test_the_file_is_read_again_at_sighup_and_a_wrong_one_changes_nothing(guard: Guard, alias: User) -> None:
    other = guard.stack.user()
    login = Login("second", other.password)
    assert failed(await answered(guard, MailProtocol.IMAP, login, guard.stack.address()))
    _aliases(guard).write_text(_file(alias) + "second\n")
    mark = guard.log.mark()
    guard.process.send_signal(signal.SIGHUP)
    guard.log.wait_for(r"reload refused, the old configuration stays", mark)
    assert "aliases, line 4: holds 1 words" in guard.log.since(mark)
    _aliases(guard).write_text(_file(alias) + f"second {other.name}\n")
    mark = guard.log.mark()
    guard.process.send_signal(signal.SIGHUP)
    guard.log.wait_for(r'"reloaded"(.|\n)*"reloaded"', mark)
    assert granted(await answered(guard, MailProtocol.IMAP, login))
    shown = guard.cli("account", "show", "second", "--json")
    assert other.name in shown


async def test_an_alias_that_is_an_account_stops_the_reload(guard: Guard, alias: User) -> None:
    hidden = await guard.enrolled()
    _aliases(guard).write_text(_file(alias) + f"{hidden.user.name} {alias.name}\n")
    mark = guard.log.mark()
    guard.process.send_signal(signal.SIGHUP)
    guard.log.wait_for(rf"{hidden.user.name} is an alias, and an account as well", mark)
    assert granted(await answered(guard, MailProtocol.IMAP, hidden.login()))
