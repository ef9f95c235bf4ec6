"""What is said to a directory: one connection at a time, blocking. To be run in threads (RFC 4511, RFC 4513).

The one module that imports python-ldap, which is installed only where a directory is asked.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

import ldap
from ldap.filter import escape_filter_chars

from mailguard.config import TlsMode
from mailguard.identity.entry import DISABLING, MEMBER_OF, PASSWORD_CHANGED, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailguard.auth.accounts import AccountName
    from mailguard.config import IdentityLdap
    from mailguard.secret import Secret

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 3.0  # for each answer

_ATTRIBUTES = [*PASSWORD_CHANGED, *DISABLING, MEMBER_OF, "uid"]
_TLS_1_2 = 0x303
_AT_MOST = 2  # entries of one name: one is right, and the second shows that it is not the only one

# Of a bind with a user's password: these say no to the user, whatever else stands to be said of the directory. The last
# two are 389 Directory Server's and ppolicy's words for accounts that were closed or guessed at too often.
_NO = (ldap.INVALID_CREDENTIALS, ldap.INAPPROPRIATE_AUTH, ldap.UNWILLING_TO_PERFORM, ldap.CONSTRAINT_VIOLATION)


class DirectoryTrouble(Exception):
    """No answer, or none that can be trusted. The text is for operators and holds no secret."""


class Talk:
    """One connection, bound as the guard itself."""

    def __init__(self, table: IdentityLdap, link: ldap.ldapobject.LDAPObject) -> None:
        self._table = table
        self._link = link

    def find(self, name: AccountName) -> list[Entry]:
        """The entries of a name: none, one, or two where there are more."""
        local = name.partition("@")[0]
        wanted = self._table.search.filter
        for place, text in (("{address}", name), ("{local}", local)):
            wanted = wanted.replace(place, escape_filter_chars(text))
        return self._search(self._table.search.base, ldap.SCOPE_SUBTREE, wanted, _ATTRIBUTES)

    def group(self, entry: Entry) -> str | None:
        """The policy group of an entry: of the first rule whose group it is in, "" of none; None without rules."""
        if not self._table.groups:
            return None
        told = {dn.casefold() for dn in entry.attributes.get(MEMBER_OF.lower(), ())}
        for rule in self._table.groups:
            if rule.group.casefold() in told or (not told and self._holds(rule.group, entry)):
                return rule.policy
        return ""

    def _holds(self, group: str, entry: Entry) -> bool:
        """Asks the group itself, where the directory writes no memberOf into its members."""
        dn, uid = escape_filter_chars(entry.dn), escape_filter_chars(entry.first("uid"))
        by_uid = f"(memberUid={uid})" if uid else ""
        return bool(self._search(group, ldap.SCOPE_BASE, f"(|(member={dn})(uniqueMember={dn}){by_uid})", ["1.1"]))

    def takes(self, entry: Entry, password: Secret) -> bool:
        """Does this entry's user know this password? The connection is good for nothing afterwards.

        A bind with an empty DN or password is anonymous and succeeds, so neither is ever tried (RFC 4513 §5.1.2).
        """
        if not entry.dn or not password:
            return False
        try:
            self._link.simple_bind_s(entry.dn, password.reveal())
        except _NO:
            return False
        return True

    def _search(self, base: str, scope: int, wanted: str, attributes: list[str]) -> list[Entry]:
        try:
            found = self._link.search_ext_s(base, scope, wanted, attributes, sizelimit=_AT_MOST)
        except ldap.SIZELIMIT_EXCEEDED:
            return [Entry("", {})] * _AT_MOST
        except ldap.NO_SUCH_OBJECT:
            raise DirectoryTrouble(f"the directory has no {base}, or the guard may not read it") from None
        return [_entry(dn, attributes) for dn, attributes in found if dn is not None]  # None: a referral


@contextlib.contextmanager
def talking(table: IdentityLdap, secret: Secret | None) -> Iterator[Talk]:
    """Connect over TLS to a directory whose certificate fits, and bind. Raises DirectoryTrouble for all that fails."""
    link = None
    try:
        link = _connected(table)
        try:
            link.simple_bind_s(table.bind, secret.reveal() if secret is not None else b"")
        except _NO as error:
            raise DirectoryTrouble(
                f"the directory refuses identity.ldap.bind or its password: {_said(error)}"
            ) from None
        yield Talk(table, link)
    except ldap.LDAPError as error:
        raise DirectoryTrouble(f"{table.url}: {_said(error)}") from None
    finally:
        if link is not None:
            with contextlib.suppress(ldap.LDAPError):
                link.unbind_s()


def _connected(table: IdentityLdap) -> ldap.ldapobject.LDAPObject:
    link = ldap.initialize(table.url)
    roots = table.ca or ssl.get_default_verify_paths().cafile
    for option, value in (
        (ldap.OPT_PROTOCOL_VERSION, ldap.VERSION3),
        (ldap.OPT_REFERRALS, 0),  # or the guard's own password would follow them to any host that is named
        (ldap.OPT_NETWORK_TIMEOUT, CONNECT_SECONDS),
        (ldap.OPT_TIMEOUT, ANSWER_SECONDS),
        # Set for each connection: what /etc/ldap/ldap.conf or ~/.ldaprc says of the whole machine does not count here.
        (ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND),
        (ldap.OPT_X_TLS_CACERTFILE, str(roots)),
        (ldap.OPT_X_TLS_PROTOCOL_MIN, _TLS_1_2),
        (ldap.OPT_X_TLS_NEWCTX, 0),  # last: takes over what was set before
    ):
        link.set_option(option, value)
    if table.tls is TlsMode.STARTTLS:
        link.start_tls_s()
    return link


def _entry(dn: str, attributes: dict[str, list[bytes]]) -> Entry:
    return Entry(dn, {name.lower(): [value.decode("utf-8", "replace") for value in values]
                      for name, values in attributes.items()})  # fmt: skip


def _said(error: ldap.LDAPError) -> str:
    """The library's words on one line; the directory's own come last, escaped."""
    told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    parts = (str(told.get(key, "")) for key in ("desc", "info"))
    text = ": ".join(part for part in parts if part) or type(error).__name__
    return "".join(c if c.isprintable() else " " for c in text)[:200]
