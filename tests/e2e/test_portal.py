"""The portal as a process of `mailguard serve`: it starts, reloads, dies and ends apart from the mail workers."""

from __future__ import annotations

import os
import signal
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clients import imap
from tests.e2e.guard import Guard, serving
from tests.e2e.programs import workers
from tests.e2e.stack import Stack
from tests.e2e.surfing import browser
from tests.web.conftest import sign_in

PATIENCE = 30.0


@pytest.fixture(scope="module")
def guard(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    with serving(stack, tmp_path_factory.mktemp("portal"), "master", portal=True) as running:
        yield running


def page(guard: Guard, path: str = "/sign-in") -> tuple[int, str]:
    """What a browser is given."""
    context = ssl.create_default_context(cafile=guard.stack.ca)
    try:
        with urllib.request.urlopen(guard.portal_url + path, timeout=20, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def serves(guard: Guard) -> bool:
    try:
        return page(guard)[0] == 200
    except OSError:
        return False


def pid_of_portal(guard: Guard) -> int:
    """The one child that has loaded what pages are made with."""
    (portal,) = [pid for pid in workers(guard) if "markupsafe" in Path(f"/proc/{pid}/maps").read_text()]
    return portal


def inodes(pid: int) -> set[str]:
    """The sockets that a process holds."""
    return {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}


def listening_at(port: int) -> set[str]:
    """The sockets that listen at a port, as they are named in /proc."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].partition(":")[2], 16) == port}


def test_pages_are_served_and_workers_know_nothing_of_them(guard: Guard) -> None:
    status, text = page(guard)
    assert (status, "<form" in text) == (200, True)
    assert pid_of_portal(guard)


def test_neither_holds_the_doors_of_the_other(guard: Guard) -> None:
    portal = pid_of_portal(guard)
    (mail,), (web,) = listening_at(guard.imap_port), listening_at(guard.portal_port)
    for pid in workers(guard):
        held = inodes(pid)
        assert (mail in held, web in held) == (pid != portal, pid == portal)


def test_it_comes_back_and_mail_goes_on(guard: Guard) -> None:
    person = guard.enrol()
    with imap(guard.imap(), person.login()) as session:
        dead = pid_of_portal(guard)
        mark = guard.log.mark()
        os.kill(dead, signal.SIGKILL)
        guard.log.wait_for(r'"portal died"', mark)
        guard.log.wait_for(r'"portal ready"', mark, timeout=PATIENCE)
        assert serves(guard)
        assert session.noop()[0] == "OK"
    assert pid_of_portal(guard) != dead


def test_a_reload_reaches_it(guard: Guard) -> None:
    text = guard.configuration.read_text()
    mark = guard.log.mark()
    guard.configuration.write_text(text.replace("[portal]\n", '[portal]\nsupport = "ring 4711"\n'))
    os.kill(guard.process.pid, signal.SIGHUP)
    guard.log.wait_for(r'"mailguard.portal", "event": "reloaded"', mark, timeout=PATIENCE)
    assert "ring 4711" in page(guard)[1]


def test_a_changed_address_waits_for_a_restart(guard: Guard) -> None:
    text = guard.configuration.read_text()
    mark = guard.log.mark()
    guard.configuration.write_text(text.replace(f"127.0.0.1:{guard.portal_port}", "none"))
    os.kill(guard.process.pid, signal.SIGHUP)
    guard.log.wait_for(r'"changes that need a restart are left out", "tables": "portal.address"', mark, PATIENCE)
    guard.configuration.write_text(text)
    assert serves(guard)


async def test_without_records_the_answer_is_temporary_and_burns_nothing(guard: Guard) -> None:
    person = await guard.enrolled()
    code, surfer = person.code(), browser(guard)
    given = {"name": person.user.name, "password": person.user.password}
    database = guard.configuration.parent / "mailguard.db"
    away = database.with_name("away.db")
    os.rename(database, away)
    try:
        assert (await sign_in(surfer, code, **given)).status == 503
        assert "__Host-mailguard" not in surfer.cookies
    finally:
        os.rename(away, database)
    page = await sign_in(surfer, code, **given)
    assert "__Host-mailguard" in surfer.cookies, page.text
