"""The one form of a login name.

Throttle, factors, backend and audit all use this form and no other: two spellings of one mailbox that were two
names anywhere would be two allowances of guesses, or a way around the factor. Nothing is stripped silently:
what a store might rewrite is refused (SECURITY.md, promise 8).
"""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import idna
from precis_i18n import get_profile

from mailguard.auth.accounts import AccountName

MAX_OCTETS = 254  # of an address (RFC 5321 §4.5.3.1.3, erratum 1690)
MAX_LOCAL_OCTETS = 64

_LOCAL = re.compile(r"[^\x00-\x20\x7f\"*/\\%@()<>\[\],:;]+")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_USERNAME = get_profile("UsernameCaseMapped")


class NameRefused(Exception):
    """No account can have this name. The text says why, without echoing the name."""


@dataclass(frozen=True, slots=True)
class Aliases:
    r"""Further names of accounts. `names`: alias → account; `domains`: Windows domain → mail domain of DOMAIN\*."""

    names: Mapping[str, AccountName] = field(default_factory=lambda: MappingProxyType({}))
    domains: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


NO_ALIASES = Aliases()
NO_DOMAIN = "x"  # in place of the mail domain of a Windows domain that has none


@dataclass(frozen=True, slots=True)
class Naming:
    """What an organisation's configuration says about names.

    `sole`: names of another domain are refused. Where the store or a directory hears only the part before the @,
    `ann@elsewhere` would open the mailbox of `ann@example.org` past the factor of that account.
    """

    domain: str = ""
    reserved: frozenset[str] = frozenset()
    sole: bool = False
    aliases: Aliases = NO_ALIASES

    def canonical(self, typed: str) -> AccountName:
        """The one form of a name, an alias's account instead of it; NameRefused where no account can have it."""
        name = self._named(typed)
        name = self.aliases.names.get(name, name)
        if self.sole and name.partition("@")[2] != _host(self.domain):
            raise NameRefused(f"has another domain than {self.domain}: the mail store is not told the domain")
        return name

    def _named(self, typed: str) -> AccountName:
        windows = windows_form(typed) if len(typed) <= MAX_OCTETS else None
        if windows is None:
            return canonical(typed, self.domain, self.reserved)
        domain, user = windows
        name = canonical(f"{user}@{self.aliases.domains.get(domain, NO_DOMAIN)}", "", self.reserved)
        if (account := self.aliases.names.get(windows_key(domain, name))) is not None:
            return account
        if domain not in self.aliases.domains:
            raise NameRefused("has a Windows domain that names.aliases does not know: write the whole address")
        return name


def windows_form(typed: str) -> tuple[str, str] | None:
    r"""The folded domain and the user of DOMAIN\user; None for every other name."""
    domain, backslash, user = unicodedata.normalize("NFKC", typed).partition("\\")
    return (domain.casefold(), user) if backslash else None


def windows_key(domain: str, name: AccountName) -> str:
    r"""What the line of one DOMAIN\user is found by. `name` is the user's, with any mail domain."""
    return f"{domain}\\{name.partition('@')[0]}"


def canonical(typed: str, domain: str, reserved: Collection[str] = ()) -> AccountName:
    """`local@domain` in lower case, NFKC (RFC 8265 UsernameCaseMapped), the domain in A-labels (RFC 5891).

    `domain` is appended to a name without one; empty: such names are refused. `reserved` holds the store's own
    master names: whoever could log in as one of them would speak for everybody.
    Idempotent: canonical(canonical(x)) == canonical(x).
    """
    if len(typed) > MAX_OCTETS:
        raise NameRefused(f"longer than {MAX_OCTETS} characters")
    folded = unicodedata.normalize("NFKC", typed)
    local, at, host = folded.partition("@")
    if "@" in host:
        raise NameRefused("has more than one @")
    if not at:
        if not domain:
            raise NameRefused("has no domain: write the whole address")
        host = domain
    name = AccountName(f"{_local(local)}@{_host(host)}")
    if len(name.encode()) > MAX_OCTETS:
        raise NameRefused(f"longer than {MAX_OCTETS} octets")
    if name in reserved or name.partition("@")[0] in reserved:
        raise NameRefused("is reserved for the mail store's own use")
    return name


def _local(local: str) -> str:
    if not local.isascii():
        try:
            local = _USERNAME.enforce(local)
        except UnicodeError:
            raise NameRefused("holds a character that no user name may have (RFC 8265)") from None
    if not _LOCAL.fullmatch(local):
        raise NameRefused('is empty or holds one of " * / \\ % ( ) < > [ ] , : ; or a space or a control character')
    local = local.lower()
    if len(local.encode()) > MAX_LOCAL_OCTETS:
        raise NameRefused(f"has more than {MAX_LOCAL_OCTETS} octets before the @")
    return local


def _host(host: str) -> str:
    if host.isascii():
        lowered = host.lower()
    else:
        try:
            lowered = idna.encode(host, uts46=True, std3_rules=True).decode()
        except (idna.IDNAError, UnicodeError):
            raise NameRefused("has a domain that is no host name") from None
    if not _DOMAIN.fullmatch(lowered):
        raise NameRefused("has a domain that is no host name")
    return lowered
