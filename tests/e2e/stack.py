"""A real mail store on loopback: Dovecot 2.3 and Postfix, in every set-up that the guard meets."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e import dovecot, postfix
from tests.e2e.daemon import Log, eventually, free_ports, running
from tests.support.certs import Authority, Issued

USERS = 12_000  # the test of one answer needs a fresh one for each sample
USERS_FILE = "users"
MASTER_USER = "mailguard"
NEEDED = {
    dovecot.BINARY: "dovecot-imapd and dovecot-lmtpd",
    str(postfix.MASTER): "postfix",
    "/usr/lib/dovecot/imap": "dovecot-imapd",
    "/usr/lib/dovecot/lmtp": "dovecot-lmtpd",
}


def missing() -> str:
    """Why the stack cannot run here; empty where it can."""
    if os.geteuid() != 0:
        return "real Dovecot and Postfix need root"
    absent = [package for path, package in NEEDED.items() if not Path(path).exists()]
    return f"not installed: {', '.join(absent)} (as root: make system-packages)" if absent else ""


@dataclass(frozen=True, slots=True)
class User:
    """A mailbox of the store and its owner's password there."""

    name: str
    password: str


@dataclass(frozen=True, slots=True)
class Stack:
    """Ports (all on 127.0.0.1), secrets and logs of the store."""

    imap_own_port: int  # implicit TLS, users' passwords; Dovecot's auth penalty is on
    imap_own_starttls_port: int
    identity_port: int  # implicit TLS, users' passwords, on the same instance: for [identity.backend]
    imap_even_port: int  # implicit TLS, users' passwords; the auth penalty is off, as the operators' guide advises
    imap_master_port: int  # implicit TLS, the master user only
    imap_master_starttls_port: int
    submission_port: int  # implicit TLS, users' passwords
    submission_starttls_port: int
    submission_master_port: int  # implicit TLS, the master user only (authzid)
    submission_master_starttls_port: int
    submission_naive_port: int  # implicit TLS, mynetworks = 127.0.0.0/8: whoever comes from this host may do anything
    submission_xclient_port: int  # implicit TLS, XCLIENT allowed to 127.0.0.1
    ca: Path
    certificate: Issued  # for localhost, 127.0.0.1 and mail.example.org
    master_user: str
    master_secret: str
    logs: Mapping[str, Log]  # own, sasl, master, postfix
    _fresh: Iterator[User]
    _addresses: Iterator[str]

    def user(self) -> User:
        """A user whom no other test has touched."""
        return next(self._fresh)

    def address(self) -> str:
        """A loopback address for a client that will fail: Dovecot makes an address wait 15 s after a few failures."""
        return next(self._addresses)

    def changed(self, user: User) -> User:
        """Give a user a new password, as an organisation does behind the guard's back."""
        new = User(user.name, f"store-{secrets.token_hex(6)}-{len(user.password)}")
        users = self.logs["own"].path.parent.parent / USERS_FILE
        text = users.read_text()
        old, fresh = (f"{each.name}:{{PLAIN}}{each.password}:" for each in (user, new))
        assert old in text
        written = users.with_suffix(".new")
        written.write_text(text.replace(old, fresh))
        written.replace(users)
        # Dovecot looks at most once a second whether the file has another size or another second.
        second = int(time.time())
        assert eventually(lambda: int(time.time()) > second, 2)
        return new

    def wrong_passwords(self, name: str) -> int:
        """How often any Dovecot that takes users' own passwords was given a wrong one for this name."""
        said = re.compile(rf"\({re.escape(name)},.*[Pp]assword mismatch")
        return sum(len(said.findall(self.logs[log].since())) for log in ("own", "sasl"))

    def delivered(self, name: str, mark: int = 0) -> None:
        """Wait until a letter lies in this user's inbox."""
        self.logs["own"].wait_for(rf"lmtp\({name}\).*saved mail to INBOX", mark, 30)


@contextlib.contextmanager
def running_stack(authority: Authority, certificate: Issued) -> Iterator[Stack]:
    """Start the store, hand it out, end it and remove its files."""
    # Not below pytest's own folder: that one is closed to the users that the daemons run as.
    folder = Path(tempfile.mkdtemp(prefix="mailguard-stack-"))
    try:
        folder.chmod(0o755)
        with contextlib.ExitStack() as daemons:
            yield _start(daemons, folder, authority, certificate)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(daemons: contextlib.ExitStack, folder: Path, authority: Authority, certificate: Issued) -> Stack:
    (own_tls, own_starttls, identity, even, master_tls, master_starttls,
     sub_tls, sub_starttls, sub_master_tls, sub_master_starttls, naive, xclient) = free_ports(12)  # fmt: skip
    own, sasl, master, mta, mail = (folder / name for name in ("own", "sasl", "master", "postfix", "mail"))
    for path in (own, sasl, master, mta, mail):
        path.mkdir(mode=0o755)
    os.chown(mail, dovecot.MAIL_UID, dovecot.MAIL_UID)
    logs = {path.name: Log(path / "log") for path in (own, sasl, master, mta)}
    passwords = {f"u{number}@example.org": f"store-{secrets.token_hex(6)}" for number in range(1, USERS + 1)}
    nobody_knows = {name: secrets.token_hex(16) for name in passwords}
    users = dovecot.passwd_file(folder / USERS_FILE, passwords, mail)
    mailboxes = dovecot.passwd_file(folder / "mailboxes", nobody_knows, mail)
    master_secret = secrets.token_urlsafe(24)
    masters = dovecot.master_file(folder / "masters", MASTER_USER, master_secret)

    implicit, starttls = "implicit", "starttls"
    own_doors = ((own_tls, implicit), (own_starttls, starttls), (identity, implicit))
    master_doors = ((master_tls, implicit), (master_starttls, starttls))
    the_own = dovecot.Instance(own, users, tuple(dovecot.Listener(*door) for door in own_doors), lmtp=True)
    the_sasl = dovecot.Instance(sasl, users, (dovecot.Listener(even, implicit),), sasl=True)
    the_master = dovecot.Instance(
        master, mailboxes, tuple(dovecot.Listener(*door) for door in master_doors), masters, sasl=True
    )
    for instance in (the_own, the_sasl, the_master):
        command = instance.command(certificate)
        daemons.enter_context(running(command, log=logs[instance.folder.name], ports=instance.ports))
        assert eventually(instance.answers_postfix, 10)

    services = [
        postfix.Service(sub_tls, implicit, the_sasl.sasl_socket),
        postfix.Service(sub_starttls, starttls, the_sasl.sasl_socket),
        postfix.Service(sub_master_tls, implicit, the_master.sasl_socket),
        postfix.Service(sub_master_starttls, starttls, the_master.sasl_socket),
        postfix.Service(naive, implicit, the_sasl.sasl_socket, postfix.NAIVE),
        postfix.Service(xclient, implicit, the_sasl.sasl_socket, postfix.XCLIENT),
    ]
    command = postfix.command(mta, certificate, the_own.lmtp_socket, services)
    daemons.enter_context(running(command, log=logs["postfix"], ports=[service.port for service in services]))
    return Stack(
        imap_own_port=own_tls,
        imap_own_starttls_port=own_starttls,
        identity_port=identity,
        imap_even_port=even,
        imap_master_port=master_tls,
        imap_master_starttls_port=master_starttls,
        submission_port=sub_tls,
        submission_starttls_port=sub_starttls,
        submission_master_port=sub_master_tls,
        submission_master_starttls_port=sub_master_starttls,
        submission_naive_port=naive,
        submission_xclient_port=xclient,
        ca=authority.ca,
        certificate=certificate,
        master_user=MASTER_USER,
        master_secret=master_secret,
        logs=logs,
        _fresh=(User(name, password) for name, password in passwords.items()),
        _addresses=(f"127.0.{third}.{fourth}" for third in range(1, 255) for fourth in range(1, 255)),
    )
