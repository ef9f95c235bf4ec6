"""What people would put there otherwise, one process each, as its makers' documentation sets it up.

Both check the store's certificate, as the guard does. nginx's mail module speaks no TLS to a store: a second leg
through its stream module does that in the same process. Its question whether a login is right is answered by itself,
with a yes: a real one would cost more.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from bench.meter import Meter
from bench.store import MailStore
from bench.targets import Target, Who
from tests.e2e import dovecot
from tests.e2e.daemon import Log, free_ports, running

NGINX = Path("/usr/sbin/nginx")
MODULES = Path("/usr/lib/nginx/modules")

_NGINX = """
load_module {modules}/ngx_mail_module.so;
load_module {modules}/ngx_stream_module.so;
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/log;
worker_rlimit_nofile 20000;
events {{ worker_connections 10000; }}
http {{
  access_log off;
  server {{
    listen 127.0.0.1:{asked};
    location /imap {{
      add_header Auth-Status OK; add_header Auth-Server 127.0.0.1; add_header Auth-Port {imap_leg}; return 204;
    }}
    location /submission {{
      add_header Auth-Status OK; add_header Auth-Server 127.0.0.1; add_header Auth-Port {submission_leg}; return 204;
    }}
  }}
}}
{stream}
mail {{
  server_name mail.example.org;
  ssl_certificate {certificate.certificate};
  ssl_certificate_key {certificate.key};
  ssl_protocols TLSv1.2 TLSv1.3;
  server {{
    listen 127.0.0.1:{imap} ssl;
    protocol imap; imap_auth plain login; proxy_timeout 30m; auth_http 127.0.0.1:{asked}/imap;
  }}
  server {{
    listen 127.0.0.1:{submission} ssl;
    protocol smtp; smtp_auth plain login; xclient off; proxy_smtp_auth on; auth_http 127.0.0.1:{asked}/submission;
  }}
}}
"""

_STREAM = """
stream {{
  proxy_ssl on;
  proxy_ssl_verify on;
  proxy_ssl_trusted_certificate {ca};
  proxy_ssl_name localhost;
  proxy_ssl_session_reuse on;
  proxy_timeout 30m;
  server {{ listen 127.0.0.1:{imap_leg}; proxy_pass 127.0.0.1:{imap_store}; }}
  server {{ listen 127.0.0.1:{submission_leg}; proxy_pass 127.0.0.1:{submission_store}; }}
}}
"""

_DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate.certificate}
ssl_key = <{certificate.key}
ssl_min_protocol = TLSv1.2
ssl_ca = <{ca}
ssl_require_crl = no
auth_mechanisms = plain login
default_client_limit = 24000
passdb {{
  driver = sql
  args = {folder}/sql.conf
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home=/nonexistent
}}
service imap-login {{
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = 10000
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
"""

_SQL = """
driver = sqlite
connect = {folder}/users.db
default_pass_scheme = SSHA256
password_query = SELECT password, 'y' AS proxy, 'localhost' AS host, '127.0.0.1' AS hostip, \
  '{store}' AS port, 'yes' AS ssl FROM users WHERE name = '%u'
"""


@contextlib.contextmanager
def running_nginx(store: MailStore, folder: Path, who: Who) -> Iterator[Target]:
    """nginx's mail proxy, its leg to the store plain or through TLS."""
    folder.mkdir(mode=0o755)
    asked, imap, submission, imap_leg, submission_leg = free_ports(5)
    stream = ""
    if who is Who.NGINX_TLS:
        stream = _STREAM.format(
            ca=store.ca,
            imap_leg=imap_leg,
            submission_leg=submission_leg,
            imap_store=store.imap_port,
            submission_store=store.submission_port,
        )
    else:
        imap_leg, submission_leg = store.imap_plain_port, store.submission_plain_port
    (folder / "nginx.conf").write_text(
        _NGINX.format(
            folder=folder,
            modules=MODULES,
            certificate=store.certificate,
            stream=stream,
            asked=asked,
            imap=imap,
            submission=submission,
            imap_leg=imap_leg,
            submission_leg=submission_leg,
        )
    )
    command = [str(NGINX), "-e", str(folder / "log"), "-c", str(folder / "nginx.conf")]
    with running(command, log=Log(folder / "output"), ports=[imap, submission]) as process:
        yield Target(who, imap, submission, Meter(process.pid), store.users)


@contextlib.contextmanager
def running_dovecot(store: MailStore, folder: Path) -> Iterator[Target]:
    """Dovecot as a proxy, each login looked up in SQLite."""
    folder.mkdir(mode=0o755)
    with contextlib.closing(sqlite3.connect(folder / "users.db")) as users, users:
        users.execute("CREATE TABLE users (name TEXT PRIMARY KEY, password TEXT NOT NULL) WITHOUT ROWID")
        users.executemany(
            "INSERT INTO users VALUES (?, ?)", [(each.name, _salted(each.password)) for each in store.users]
        )
    [port] = free_ports(1)
    (folder / "sql.conf").write_text(_SQL.format(folder=folder, store=store.imap_port))
    path = folder / "dovecot.conf"
    path.write_text(
        _DOVECOT.format(folder=folder, certificate=store.certificate, ca=store.ca, port=port, uid=dovecot.MAIL_UID)
    )
    with running([dovecot.BINARY, "-F", "-c", str(path)], log=Log(folder / "output"), ports=[port]) as process:
        yield Target(Who.DOVECOT, port, 0, Meter(process.pid), store.users)


def _salted(password: str) -> str:
    """One quick hash, as the guard keeps app passwords by: a slow one would be most of a login."""
    salt = os.urandom(8)
    return base64.b64encode(hashlib.sha256(password.encode() + salt).digest() + salt).decode()
