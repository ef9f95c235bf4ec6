"""Dovecot 2.3 instances for the test stack: what each one trusts and whom it lets in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.certs import Issued

BINARY = "/usr/sbin/dovecot"
MAIL_UID = 5000  # owns the mailboxes; needs no passwd entry


@dataclass(frozen=True, slots=True)
class Listener:
    """One IMAP port."""

    port: int
    tls: str  # implicit | starttls


@dataclass(frozen=True, slots=True)
class Instance:
    """One Dovecot: its own authentication, its own penalties."""

    folder: Path
    users: Path
    imap: tuple[Listener, ...] = ()
    masters: Path | None = None
    lmtp: bool = False
    sasl: bool = False  # answers Postfix. No penalty then: Postfix names no client, one guesser would slow everybody
    more: str = ""  # settings that override the others

    @property
    def ports(self) -> list[int]:
        """Where it listens."""
        return [listener.port for listener in self.imap]

    @property
    def lmtp_socket(self) -> Path:
        """Where letters are delivered."""
        return self.folder / "run/lmtp"

    @property
    def sasl_socket(self) -> Path:
        """Where Postfix asks about passwords."""
        return self.folder / "run/postfix-auth"

    def answers_postfix(self) -> bool:
        """The sockets that Postfix uses are there."""
        return (not self.lmtp or self.lmtp_socket.is_socket()) and (not self.sasl or self.sasl_socket.is_socket())

    def command(self, certificate: Issued) -> list[str]:
        """Write the configuration; how to run it in the foreground."""
        path = self.folder / "dovecot.conf"
        path.write_text(self._configuration(certificate))
        return [BINARY, "-F", "-c", str(path)]

    def _configuration(self, certificate: Issued) -> str:
        protocols = [name for name, wanted in (("imap", self.imap), ("lmtp", self.lmtp)) if wanted] or ["none"]
        parts = [
            _COMMON.format(folder=self.folder, protocols=" ".join(protocols), certificate=certificate),
            _MASTER.format(masters=self.masters) if self.masters is not None else "",
            _USERS.format(users=self.users),
            _login_service(self.imap) if self.imap else "",
            "service lmtp {\n  unix_listener lmtp {\n    mode = 0666\n  }\n}\n" if self.lmtp else "",
            _SASL if self.sasl else "",
            self.more,
        ]
        return "".join(parts)


def passwd_file(path: Path, passwords: Mapping[str, str], mail: Path) -> Path:
    """A passwd-file for passdb and userdb alike."""
    path.write_text(
        "".join(
            f"{name}:{{PLAIN}}{password}:{MAIL_UID}:{MAIL_UID}::{mail / name}::\n"
            for name, password in passwords.items()
        )
    )
    return path


def master_file(path: Path, name: str, secret: str) -> Path:
    """The master user, pinned to the guard's own address: `allow_nets` would see the client's once it is forwarded."""
    path.write_text(f"{name}:{{PLAIN}}{secret}::::::allow_real_nets=127.0.0.1/32\n")
    return path


_COMMON = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = {protocols}
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate.certificate}
ssl_key = <{certificate.key}
ssl_min_protocol = TLSv1.2
login_trusted_networks = 127.0.0.1
auth_mechanisms = plain login
auth_verbose = yes
auth_failure_delay = 1 secs
mail_location = maildir:~/Maildir
first_valid_uid = 1
postmaster_address = postmaster@example.org
mail_plugins = zlib
protocol imap {{
  mail_plugins = zlib imap_zlib
}}
namespace inbox {{
  inbox = yes
}}
"""

# `continue` looks the user up in the next passdb: without it a master login opens a mailbox that does not exist.
_MASTER = """
auth_master_user_separator = *
passdb {{
  driver = passwd-file
  args = {masters}
  master = yes
  result_success = continue
}}
"""

_USERS = """
passdb {{
  driver = passwd-file
  args = username_format=%u {users}
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {users}
}}
"""

_SASL = """
service auth {
  unix_listener postfix-auth {
    mode = 0666
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
"""


def _login_service(listeners: tuple[Listener, ...]) -> str:
    """One process for all logins, so that tests that race logins are not held up by forks."""
    ports = "".join(
        f"""\
  inet_listener door{number} {{
    port = {listener.port}
    ssl = {"yes" if listener.tls == "implicit" else "no"}
  }}
"""
        for number, listener in enumerate(listeners)
    )
    return f"""
service imap-login {{
  service_count = 0
  process_min_avail = 1
  client_limit = 1000
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = 0
  }}
{ports}}}
"""
