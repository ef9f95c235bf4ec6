"""Where and with what the figures were taken."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import ssl
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench.peers import MODULES, NGINX
from tests.e2e import dovecot, postfix

# What has to be there, and the Debian package that brings it.
NEEDED = {
    Path(dovecot.BINARY): "dovecot-core",
    Path("/usr/lib/dovecot/imap"): "dovecot-imapd",
    Path("/usr/lib/dovecot/lmtp"): "dovecot-lmtpd",
    Path("/usr/lib/dovecot/modules/libdriver_sqlite.so"): "dovecot-sqlite",
    postfix.MASTER: "postfix",
    NGINX: "nginx",
    MODULES / "ngx_mail_module.so": "libnginx-mod-mail",
    MODULES / "ngx_stream_module.so": "libnginx-mod-stream",
}


def lacking() -> str:
    """Why nothing can be measured here, and what to do; empty where it can."""
    if os.geteuid() != 0:
        return "Dovecot, Postfix and nginx need root: run this as root"
    absent = [package for path, package in NEEDED.items() if not path.exists()]
    return f"not installed: {' '.join(absent)} (as root: apt-get install {' '.join(absent)})" if absent else ""


def described() -> dict[str, str]:
    """Date, machine and versions."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{os.cpu_count()} cores, {_processor()}, {_memory()}, Linux {platform.release()}",
        "mailguard": importlib.metadata.version("mailguard") + _commit(),
        "Python": f"{platform.python_version()}, {ssl.OPENSSL_VERSION}, uvloop {importlib.metadata.version('uvloop')}",
        "Dovecot": _said([dovecot.BINARY, "--version"]).split(" ")[0],
        "Postfix": _said(["/usr/sbin/postconf", "-d", "-h", "mail_version"]),
        "nginx": _said([str(NGINX), "-v"]).rpartition("/")[2],
    }


def _processor() -> str:
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> str:
    total = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    return f"{total / 1024**2:.0f} GiB"


def _commit() -> str:
    name = _said(["git", "rev-parse", "--short", "HEAD"])
    return f" ({name})" if name else ""


def _lines(path: str) -> Sequence[str]:
    return Path(path).read_text().splitlines()


def _said(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip() if done.returncode == 0 else ""
