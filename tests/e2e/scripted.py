"""Scripted stores in the place of the real ones, for what must be held, dead or seen from inside."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import fields

from tests.e2e.daemon import free_ports
from tests.e2e.stack import Stack, User
from tests.support.certs import Authority, Issued
from tests.support.hostile_store import HostileStore, ImapStore, Script, SubmissionStore

MASTER, MASTER_SECRET = "mailguard", "store-0123456789ab"
PATIENCE = 20.0


class Passwords(dict[str, str]):
    """Who may log in at the store, and a hook into each question it is asked."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__(names)
        self.asked: list[str] = []

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """The password; the answer to a login waits for it."""
        self.asked.append(name)
        self.hold(name)
        return super().get(name, default)

    def hold(self, name: str) -> None:
        """Nothing, unless a kind of store is slow."""


class Meeting(Passwords):
    """The store answers a login only when another one for the same name has come, at whichever port."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__(names)
        self._pairs = {name: threading.Barrier(2, timeout=PATIENCE) for name in names}

    def hold(self, name: str) -> None:
        """Wait for the other one."""
        self._pairs[name].wait()


class Gate(Passwords):
    """The store answers everybody at once, until the gate is shut."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__(names)
        self.came = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()

    def hold(self, name: str) -> None:
        """Say that somebody is here, and wait."""
        self.came.release()
        assert self.open.wait(PATIENCE)


class Stage:
    """One IMAP and one submission store that know the same passwords, at ports that are theirs even while closed."""

    def __init__(self, authority: Authority, certificate: Issued, passwords: Passwords) -> None:
        self.passwords = passwords
        self._certificate = certificate
        self._imap_at, self._submission_at, self._identity_at = free_ports(3)
        self.stack = self._as_stack(authority)

    @contextlib.contextmanager
    def playing(self, *, master: bool = False) -> Iterator[tuple[HostileStore, ...]]:
        """Open them. With `master` the mailboxes open to the master user alone; a third one knows the passwords."""
        users, masters = self.passwords, {MASTER: MASTER_SECRET} if master else {}
        boxes = dict.fromkeys(users, secrets.token_hex(8)) if master else users
        scripts: list[tuple[Script, int]] = [
            (ImapStore(users=boxes, masters=masters), self._imap_at),
            (SubmissionStore(users=boxes, masters=masters), self._submission_at),
            (ImapStore(users=users), self._identity_at),
        ]
        with contextlib.ExitStack() as stores:
            yield tuple(
                stores.enter_context(HostileStore(script, certificate=self._certificate, at=at))
                for script, at in scripts
            )

    def _as_stack(self, authority: Authority) -> Stack:
        users = (User(name, password) for name, password in self.passwords.items())
        ports = {"imap": self._imap_at, "submission": self._submission_at, "identity": self._identity_at}
        return lone_stack(authority, self._certificate, users, **ports)


def lone_stack(
    authority: Authority, certificate: Issued, users: Iterator[User], *, imap: int, submission: int, identity: int
) -> Stack:
    """A stack that has one IMAP store, one submission store and one listener that is asked about passwords."""
    ports = {
        field.name: submission if field.name.startswith("submission") else imap
        for field in fields(Stack)
        if field.name.endswith("_port")
    }
    return Stack(
        **{**ports, "identity_port": identity},
        ca=authority.ca,
        certificate=certificate,
        master_user=MASTER,
        master_secret=MASTER_SECRET,
        logs={},
        _fresh=users,
        _addresses=(f"127.1.{third}.{fourth}" for third in range(1, 255) for fourth in range(1, 255)),
    )


def names(count: int) -> dict[str, str]:
    """So many users and their passwords."""
    return {f"u{number}@example.org": f"store-{secrets.token_hex(6)}" for number in range(1, count + 1)}
