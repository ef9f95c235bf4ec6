"""The mail store of the bench: one Dovecot and one Postfix on loopback, with the settings of the test stack."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.clients import Credential
from tests.e2e import dovecot, postfix
from tests.e2e.daemon import Log, eventually, free_ports, running
from tests.e2e.scripted import MASTER, MASTER_SECRET, lone_stack
from tests.e2e.stack import Stack
from tests.support.certs import Authority, Issued

USERS = 400
PEOPLE = 16  # further users, who log in by password and code

# Many sessions at once, and a plain leg, as nginx's mail module needs it.
_MORE = """
ssl = yes
disable_plaintext_auth = no
auth_verbose = no
default_process_limit = 200
default_client_limit = 24000
default_vsz_limit = 2G
mail_max_userip_connections = 20000
service imap {
  process_limit = 4000
  service_count = 200
}
"""
_PLAIN = ("smtpd_tls_security_level=may", "smtpd_tls_auth_only=no")


@dataclass(frozen=True, slots=True)
class MailStore:
    """A running store. All ports take users' own passwords and the master user."""

    imap_port: int  # implicit TLS
    imap_plain_port: int
    submission_port: int  # implicit TLS
    submission_plain_port: int
    users: tuple[Credential, ...]
    people: tuple[Credential, ...]
    certificate: Issued
    ca: Path
    stack: Stack  # as the guard of the tests is told where its store is


@contextlib.contextmanager
def running_store(folder: Path) -> Iterator[MailStore]:
    """Start the store in `folder`, which everybody may enter: the daemons run as users of their own."""
    for name in ("certs", "dovecot", "postfix", "mail"):
        (folder / name).mkdir(mode=0o755)
    os.chown(folder / "mail", dovecot.MAIL_UID, dovecot.MAIL_UID)
    authority = Authority(folder / "certs")
    certificate = authority.issue("localhost", "mail.example.org", "127.0.0.1")
    imap, imap_plain, submission, submission_plain = free_ports(4)
    passwords = {f"u{number}@example.org": secrets.token_hex(10) for number in range(1, USERS + PEOPLE + 1)}
    users = dovecot.passwd_file(folder / "users", passwords, folder / "mail")
    masters = dovecot.master_file(folder / "masters", MASTER, MASTER_SECRET)
    doors = (dovecot.Listener(imap, "implicit"), dovecot.Listener(imap_plain, "starttls"))
    instance = dovecot.Instance(folder / "dovecot", users, doors, masters, lmtp=True, sasl=True, more=_MORE)
    services = (
        postfix.Service(submission, "implicit", instance.sasl_socket),
        postfix.Service(submission_plain, "starttls", instance.sasl_socket, _PLAIN),
    )
    with contextlib.ExitStack() as daemons:
        command = instance.command(certificate)
        daemons.enter_context(running(command, log=Log(folder / "dovecot/log"), ports=instance.ports))
        assert eventually(instance.answers_postfix, 10)
        command = postfix.command(folder / "postfix", certificate, instance.lmtp_socket, services)
        ports = [service.port for service in services]
        daemons.enter_context(running(command, log=Log(folder / "postfix/log"), ports=ports))
        known = tuple(Credential(*each) for each in passwords.items())
        yield MailStore(
            imap,
            imap_plain,
            submission,
            submission_plain,
            known[:USERS],
            known[USERS:],
            certificate,
            authority.ca,
            lone_stack(authority, certificate, iter(()), imap=imap, submission=submission, identity=imap),
        )
