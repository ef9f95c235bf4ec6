"""One Postfix instance with a submission service for every way of setting one up, the wrong ways included."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.certs import Issued

PROGRAMS = Path("/usr/lib/postfix/sbin")
MASTER = PROGRAMS / "master"
MESSAGE_SIZE_LIMIT = 80 * 1024 * 1024
NAIVE = ("mynetworks=127.0.0.0/8", "smtpd_sender_restrictions=permit_mynetworks,reject_sender_login_mismatch")
XCLIENT = ("smtpd_authorized_xclient_hosts=127.0.0.1",)

# Postfix changes its user, at which the kernel forgets that it is to end with the test run: a shell remembers.
_LEASH = """
"$@" & child=$!
trap 'kill "$child"' TERM
until wait "$child"; ! kill -0 "$child" 2>/dev/null; do :; done
"""


@dataclass(frozen=True, slots=True)
class Service:
    """One smtpd port. `options` override main.cf."""

    port: int
    tls: str  # implicit | starttls
    sasl: Path  # Dovecot's auth socket
    options: Sequence[str] = field(default=())


def command(folder: Path, certificate: Issued, lmtp: Path, services: Sequence[Service]) -> list[str]:
    """Write main.cf and master.cf below `folder` and let Postfix make its directories; how to run it in the foreground.

    Not by `postfix start-fg`: its shell would stay between us and the daemon.
    """
    etc, queue, state = folder / "etc", folder / "queue", folder / "data"
    for path in (etc, queue, state):
        path.mkdir()
    shutil.chown(state, "postfix")
    for name in ("dynamicmaps.cf", "postfix-files"):
        source = next((p for p in (Path("/etc/postfix") / name, Path("/usr/share/postfix") / name) if p.exists()), None)
        if source is not None:
            shutil.copy(source, etc / name)
    (etc / "senders").write_text("/^(.*)$/ $1\n")  # everybody owns exactly the address they logged in as
    (etc / "main.cf").write_text(
        f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {state}
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = store.example.org
mydestination =
virtual_mailbox_domains = example.org
virtual_transport = lmtp:unix:{lmtp}
default_transport = discard:no letter leaves this machine
lmtp_destination_concurrency_limit = 20
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
alias_maps =
message_size_limit = {MESSAGE_SIZE_LIMIT}
mailbox_size_limit = 0
smtputf8_enable = yes
smtpd_tls_cert_file = {certificate.certificate}
smtpd_tls_key_file = {certificate.key}
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_loglevel = 0
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_security_options = noanonymous
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject
smtpd_sender_login_maps = regexp:{etc}/senders
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_client_connection_count_limit = 0
default_process_limit = 200
"""
    )
    (etc / "master.cf").write_text("".join(_service(service) for service in services) + _INTERNAL)
    subprocess.run(["/usr/sbin/postfix", "-c", etc, "check"], check=True, capture_output=True, timeout=60)
    return ["bash", "-c", _LEASH, "leash", str(MASTER), "-c", str(etc), "-s"]


def _service(service: Service) -> str:
    wrapper = "yes" if service.tls == "implicit" else "no"
    options = (f"smtpd_tls_wrappermode={wrapper}", f"smtpd_sasl_path={service.sasl}", *service.options)
    lines = "".join(f"  -o {option}\n" for option in options)
    return f"127.0.0.1:{service.port} inet n - n - - smtpd\n{lines}"


_INTERNAL = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
