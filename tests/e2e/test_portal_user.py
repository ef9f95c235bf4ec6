"""The portal under a user of its own: it works, and the store's master secret is nowhere in its process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth.attempt import MailProtocol
from tests.e2e.daemon import Log, free_ports, running
from tests.e2e.guard import KEYS, Guard, configure
from tests.e2e.programs import entered, processes, status, workers
from tests.e2e.restart import started
from tests.e2e.stack import Stack
from tests.e2e.surfing import browser
from tests.e2e.test_signals import copied as copied_to
from tests.e2e.test_signals import python_of
from tests.web.conftest import sign_in


def other_than(person: pwd.struct_passwd) -> pwd.struct_passwd:
    """Another user of the same group."""
    others = [each for each in pwd.getpwall() if each.pw_gid == person.pw_gid and each.pw_uid not in (0, person.pw_uid)]
    if not others:
        pytest.skip(f"no other user of this machine is in the group of {person.pw_name}")
    return others[0]


def share(folder: Path, owner: pwd.struct_passwd, *read_by_group: str) -> None:
    """As docs/operators/install.md says."""
    for name in ("", *os.listdir(folder)):
        os.chown(folder / name, owner.pw_uid, owner.pw_gid)
    folder.chmod(0o2770)
    for name in read_by_group:
        (folder / name).chmod(0o640)


def modes(folder: Path, pattern: str) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.glob(pattern)}


@pytest.mark.skipif(os.geteuid() != 0, reason="ONLY ROOT CAN START THE PORTAL AS ANOTHER USER: NOT SHOWN HERE")
async def test_the_portal_works_and_cannot_read_the_masters_secret(stack: Stack) -> None:
    mail = pwd.getpwnam("nobody")
    web = other_than(mail)
    python = python_of(web)
    folder = Path(tempfile.mkdtemp(prefix="mailguard-two-"))  # pytest's own folders are closed to other users
    try:
        copied = copied_to(stack, folder)
        ports = free_ports(5)
        users = {"server": {"user": mail.pw_name}, "portal": {"user": web.pw_name}}
        configuration = configure(copied, folder, "master", ports=ports, overrides=users)
        keyring.create(folder / KEYS)
        share(folder, mail, copied.certificate.key.name)
        command = [*python, "-m", "mailguard", "--config", str(configuration), "serve"]
        refused = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
        assert (refused.returncode, "keys.toml: cannot be read" in refused.stderr) == (3, True), refused.stderr
        share(folder, mail, KEYS, copied.certificate.key.name)
        log = Log(folder / "mailguard.log")
        with started(configuration, ports, log, python) as process:
            log.wait_for('"portal ready"', timeout=30)
            guard = Guard(copied, configuration, process, log, *ports)
            person = await guard.enrolled()
            surfer = browser(guard)
            page = await sign_in(surfer, person.code(), name=person.user.name, password=person.user.password)
            assert "__Host-mailguard" in surfer.cookies, page.text
            assert modes(folder, "mailguard.db*") == {0o660}
            by_user = {pid: status(Path(f"/proc/{pid}"), "Uid").split()[0] for pid in workers(guard)}
            assert sorted(by_user.values()) == sorted([str(mail.pw_uid)] * 2 + [str(web.pw_uid)])
            (portal,) = [pid for pid, uid in by_user.items() if uid == str(web.pw_uid)]
            _holds_nothing(portal, folder / "master-secret")
            assert not _can_read(web, folder / "master-secret")
            assert _can_read(mail, folder / "master-secret")
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="ONLY ROOT CAN START THE HALVES AS TWO USERS: NOT SHOWN HERE")
async def test_each_half_works_as_a_service_of_its_own_without_root(stack: Stack) -> None:
    mail = pwd.getpwnam("nobody")
    web = other_than(mail)
    python = python_of(web)
    folder = Path(tempfile.mkdtemp(prefix="mailguard-halves-"))  # pytest's own folders are closed to other users
    try:
        copied = copied_to(stack, folder)
        ports = free_ports(5)
        users = {"server": {"user": mail.pw_name}, "portal": {"user": web.pw_name}}
        configuration = configure(copied, folder, "master", ports=ports, overrides=users)
        keyring.create(folder / KEYS)
        share(folder, mail, KEYS, copied.certificate.key.name)
        serve = [*python, "-m", "mailguard", "--config", str(configuration), "serve"]
        halves = [(mail, "mail", ports[:4], '"ready"'), (web, "portal", ports[4:], '"portal ready"')]
        with contextlib.ExitStack() as both:
            for user, half, its_ports, up in halves:
                become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups", "--"]
                log = Log(folder / f"{half}.log")
                command = [*become, *serve, "--only", half]
                process = both.enter_context(running(command, log=log, ports=its_ports))
                log.wait_for(up, timeout=30)
                guard = Guard(copied, configuration, process, log, *ports)
                uids = {status(Path(f"/proc/{pid}"), "Uid") for pid in processes(guard)}
                assert uids == {"\t".join([str(user.pw_uid)] * 4)}
            for pid in processes(guard):
                _holds_nothing(pid, folder / "master-secret")
            person, other = await guard.enrolled(), await guard.enrolled()
            program = await entered(guard, MailProtocol.IMAP, person.login())
            assert await program.alive()
            surfer = browser(guard)
            page = await sign_in(surfer, other.code(), name=other.user.name, password=other.user.password)
            assert "__Host-mailguard" in surfer.cookies, page.text
            process.send_signal(signal.SIGHUP)  # the portal reads again what it may read, and stays
            log.wait_for('"reloaded"')
            assert modes(folder, "mailguard.db*") == {0o660}
            program.close()
    finally:
        shutil.rmtree(folder)


def _can_read(user: pwd.struct_passwd, file: Path) -> bool:
    pid = os.fork()
    if pid == 0:
        try:
            os.initgroups(user.pw_name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            file.read_bytes()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _holds_nothing(pid: int, secret: Path) -> None:
    """Neither the file nor what is in it: not open, not mapped, not in the environment, not in its memory."""
    said = secret.read_bytes().strip()
    process = Path(f"/proc/{pid}")
    assert str(secret) not in [os.readlink(fd) for fd in (process / "fd").iterdir()]
    assert said not in (process / "environ").read_bytes()
    maps = (process / "maps").read_text()
    assert str(secret) not in maps
    searched = 0
    with (process / "mem").open("rb", buffering=0) as memory:
        for line in maps.splitlines():
            where, rights = line.split()[:2]
            if not rights.startswith("rw") or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(edge, 16) for edge in where.split("-"))
            memory.seek(start)
            content = memory.read(end - start)
            searched += len(content)
            assert said not in content
    assert searched > 2**20
