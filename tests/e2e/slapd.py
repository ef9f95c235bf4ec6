"""A real directory on loopback: OpenLDAP with ppolicy (which locks accounts) and memberOf, TLS demanded."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.daemon import Log, free_ports, running
from tests.support.certs import Issued

BINARY = "/usr/sbin/slapd"
BASE = "dc=example,dc=org"
PEOPLE = f"ou=people,{BASE}"
STAFF = f"cn=staff,ou=groups,{BASE}"  # of DNs: its members carry memberOf
UNIX = f"cn=unix,ou=groups,{BASE}"  # of user names: they carry nothing
SERVICE = f"cn=mailguard,{BASE}"
ADMIN = f"cn=admin,{BASE}"
FAILURES = 5  # wrong passwords after which ppolicy locks an account
LOCK_SECONDS = 1800
ELSEWHERE = "127.0.0.2"  # an address that the certificate does not carry


def missing() -> str:
    """Why no directory can run here; empty where one can."""
    if not Path(BINARY).exists():
        return "not installed: slapd (as root: make system-packages)"
    if importlib.util.find_spec("ldap") is None:
        return "not installed: python-ldap (make ldap)"
    return ""


@dataclass(frozen=True, slots=True)
class DirectoryUser:
    """Somebody with an entry."""

    name: str  # the address
    password: str

    @property
    def dn(self) -> str:
        """Of the entry."""
        return f"uid={self.name.partition('@')[0]},{PEOPLE}"


@dataclass(frozen=True, slots=True)
class Slapd:
    """A running directory, and what its administrator does in it."""

    ldaps: str
    ldap: str
    ldaps_elsewhere: str  # the same, at an address that its certificate does not carry
    ca: Path
    service_secret: str
    log: Log
    _admin_secret: str
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def table(self, folder: Path, **changes: object) -> Mapping[str, Any]:
        """An [identity.ldap] table that asks it; the secret goes into a file in `folder`."""
        secret = folder / "directory-secret"
        secret.write_text(self.service_secret)
        secret.chmod(0o600)
        return {
            "url": self.ldaps,
            "ca": str(self.ca),
            "bind": SERVICE,
            "bind_secret_file": str(secret),
            "search": {"base": PEOPLE, "filter": "(mail={address})"},
            **changes,
        }

    def user(self, password: str | None = None, *, name: str = "", **attributes: str) -> DirectoryUser:
        """A new entry; its password is set by its administrator, which ppolicy dates."""
        name = name or f"d{next(self._numbers)}@example.org"
        user = DirectoryUser(name, password or f"directory-{secrets.token_hex(6)}")
        uid = name.partition("@")[0]
        values = {"objectClass": "inetOrgPerson", "uid": uid, "cn": uid, "sn": uid, "mail": name, **attributes}
        self.edit("ldapadd", f"dn: {user.dn}\n" + "".join(f"{key}: {value}\n" for key, value in values.items()))
        self.passwd(user, user.password)
        return user

    def passwd(self, user: DirectoryUser, password: str) -> None:
        """Another password."""
        self._run("ldappasswd", "-s", password, user.dn)

    def change(self, dn: str, change: str) -> None:
        """One modification in LDIF: `add: member` and its lines."""
        self.edit("ldapmodify", f"dn: {dn}\nchangetype: modify\n{change}\n")

    def edit(self, program: str, ldif: str) -> None:
        """Entries or changes, in LDIF."""
        self._run(program, text=ldif)

    def delete(self, dn: str) -> None:
        """Remove an entry."""
        self._run("ldapdelete", dn)

    def read(self, dn: str, attribute: str) -> list[str]:
        """The values of an attribute."""
        lines = self._run("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", dn, "-s", "base", attribute).splitlines()
        return [line.partition(": ")[2] for line in lines if line.startswith(f"{attribute}: ")]

    def _run(self, program: str, *arguments: str, text: str = "") -> str:
        command = [program, "-x", "-H", self.ldaps, "-D", ADMIN, "-w", self._admin_secret, *arguments]
        environment = {"LDAPTLS_CACERT": str(self.ca), "LDAPTLS_REQCERT": "demand", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout


@contextlib.contextmanager
def running_slapd(certificate: Issued, ca: Path) -> Iterator[Slapd]:
    """Fill a directory, start it, end it and remove its files."""
    folder = Path(tempfile.mkdtemp(prefix="mailguard-slapd-"))
    try:
        (folder / "db").mkdir()
        admin, service = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        conf = folder / "slapd.conf"
        conf.write_text(_CONFIGURATION.format(folder=folder, certificate=certificate, base=BASE, admin=admin))
        ldif = _CONTENT.format(base=BASE, people=PEOPLE, staff=STAFF, unix=UNIX, service=SERVICE, secret=service,
                               failures=FAILURES, seconds=LOCK_SECONDS)  # fmt: skip
        fill = ["/usr/sbin/slapadd", "-f", str(conf)]
        subprocess.run(fill, input=ldif, text=True, check=True, capture_output=True)
        tls, starttls, elsewhere = free_ports(3)
        urls = (f"ldaps://127.0.0.1:{tls}/", f"ldap://127.0.0.1:{starttls}/", f"ldaps://{ELSEWHERE}:{elsewhere}/")
        log = Log(folder / "log")
        command = [BINARY, "-f", str(conf), "-h", " ".join(urls), "-d", "stats"]
        with running(command, log=log, ports=[tls, starttls]):
            ldaps, ldap, at_another_address = (url.rstrip("/") for url in urls)
            yield Slapd(ldaps, ldap, at_another_address, ca, service, log, admin)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
moduleload memberof
pidfile {folder}/pid
TLSCertificateFile {certificate.certificate}
TLSCertificateKeyFile {certificate.key}
security ssf=128
database mdb
suffix "{base}"
rootdn "cn=admin,{base}"
rootpw {admin}
directory {folder}/db
overlay memberof
overlay ppolicy
ppolicy_default "cn=policy,{base}"
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=mailguard,{base}" read by anonymous auth by * none
"""

_CONTENT = """\
dn: {base}
objectClass: dcObject
objectClass: organization
o: Example

dn: {people}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{base}
objectClass: organizationalUnit
ou: groups

dn: cn=policy,{base}
objectClass: device
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: {failures}
pwdLockoutDuration: {seconds}

dn: {service}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: mailguard
userPassword: {secret}

dn: {staff}
objectClass: groupOfNames
cn: staff
member: {service}

dn: {unix}
objectClass: posixGroup
cn: unix
gidNumber: 1000

dn: ou=far,{people}
objectClass: referral
objectClass: extensibleObject
ou: far
ref: ldap://127.0.0.1:1/ou=far,{people}
"""
