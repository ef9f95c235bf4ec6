"""What is said to a directory: one connection at a time, blocking. To be run in threads (RFC 4511, RFC 4513).

The one module that imports python-ldap, which is installed only where a directory is asked.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import ldap
from ldap.filter import escape_filter_chars

from mailguard.identity.entry import DISABLING, MAIL, MEMBER_OF, PASSWORD_CHANGED, DirectoryTrouble, Entry
from mailguard.identity.wire import WireTrouble, wire

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterator

    from mailguard.auth.accounts import AccountName
    from mailguard.config import IdentityLdap
    from mailguard.secret import Secret

ANSWER_SECONDS = 3.0  # for each answer

_ATTRIBUTES = [*PASSWORD_CHANGED, *DISABLING, MEMBER_OF, MAIL, "uid"]
_AT_MOST = 2  # entries of one name: one is right, and the second shows that it is not the only one

# Of a bind with a user's password: these say no to the user, whatever else stands to be said of the directory. The last
# two are 389 Directory Server's and ppolicy's words for accounts that were closed or guessed at too often.
_NO = (ldap.INVALID_CREDENTIALS, ldap.INAPPROPRIATE_AUTH, ldap.UNWILLING_TO_PERFORM, ldap.CONSTRAINT_VIOLATION)


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
def talking(table: IdentityLdap, context: ssl.SSLContext, secret: Secret | None, seconds: float) -> Iterator[Talk]:
    """Connect and bind; whatever is done within ends after `seconds`. Raises DirectoryTrouble for all that fails."""
    try:
        with wire(table, context, seconds) as inside:
            link = _link(inside)
            try:
                _bind(link, table, secret)
                yield Talk(table, link)
            finally:
                with contextlib.suppress(ldap.LDAPError):
                    link.unbind_s()
    except WireTrouble as trouble:
        raise DirectoryTrouble(str(trouble)) from None
    except ldap.LDAPError as error:
        raise DirectoryTrouble(f"{table.url}: {_said(error)}") from None


def _link(inside: socket.socket) -> ldap.ldapobject.LDAPObject:
    link = ldap.initialize("ldap://directory", fileno=inside.fileno())
    inside.detach()  # libldap's from here on: it closes it
    link.set_option(ldap.OPT_PROTOCOL_VERSION, ldap.VERSION3)
    link.set_option(ldap.OPT_REFERRALS, 0)  # or the guard's own password would follow them to any host that is named
    link.set_option(ldap.OPT_RESTART, 0)
    link.set_option(ldap.OPT_TIMEOUT, ANSWER_SECONDS)
    return link


def _bind(link: ldap.ldapobject.LDAPObject, table: IdentityLdap, secret: Secret | None) -> None:
    try:
        link.simple_bind_s(table.bind, secret.reveal() if secret is not None else b"")
    except _NO as error:
        raise DirectoryTrouble(f"the directory refuses identity.ldap.bind or its password: {_said(error)}") from None


def _entry(dn: str, attributes: dict[str, list[bytes]]) -> Entry:
    return Entry(dn, {name.lower(): [value.decode("utf-8", "replace") for value in values]
                      for name, values in attributes.items()})  # fmt: skip


def _said(error: ldap.LDAPError) -> str:
    """The library's words on one line; the directory's own come last, escaped."""
    told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    parts = (str(told.get(key, "")) for key in ("desc", "info"))
    text = ": ".join(part for part in parts if part) or type(error).__name__
    return "".join(c if c.isprintable() else " " for c in text)[:200]
