"""May they do this to that account? Pure; the one gate of pages, API and command line.

**Owner**: everything, within the limit.

**Helpdesk**: what a caller needs within the hour. A link that makes an app password (its owner opens it, signed in),
the end of app passwords, grants and sessions, a bypass, an enrolment code for somebody who has no authenticator yet,
unlocking. All of it leaves the user's password standing in the way, and the owner is told by letter. Not a reset, not
the removal of an authenticator, no bypass that binds a new one: with such a thing and a phished password a helpdesk
would own a mailbox for good, and the true owner would be shut out. After a reset by an owner it may well hand out the
enrolment code: that takes two people. What remains: with the password of somebody who never enrolled, an enrolment code
binds the wrong phone. No groups, for a group is a policy; no suspension, no accounts, no roles.

**Auditor**: reads.

Towards administrators only an owner acts, and only one who reaches everything that they reach: or else the owner of one
group would reset the owner of all and go on in their name. Reading is no act.

On the own account this room only ends things and gives up a role. What raises one's own power (a laxer group, a bypass)
another administrator does; what everybody may do for themselves is in `desk`.

The last owner of everything stays one. Operators alone are not held to that: they hold the keys, need nobody's leave to
make another, and must be able to let the last one go.

API keys give no roles and make no keys: one that leaked must not outlive its end.

What nobody signs in to is the guard's: shared mailboxes and services are made there, and their app passwords, by
operators. A link is made for its owner, and these have none; who stands behind them is no matter of a browser.
"""

from __future__ import annotations

from enum import Enum, StrEnum, unique
from typing import TYPE_CHECKING

from mailguard.admin.acting import Means
from mailguard.auth.accounts import AccountKind
from mailguard.auth.roles import EVERYTHING, Role, Scope

if TYPE_CHECKING:
    from mailguard.admin.acting import Acting
    from mailguard.auth.accounts import Account
    from mailguard.auth.roles import RoleLimit


@unique
class Act(StrEnum):
    """Everything that somebody can do here."""

    READ = "read"
    CLAIM_LINK = "make a claim link"
    REVOKE = "revoke or end"  # app passwords, grants, sessions of one account
    END_ALL = "end all sessions"
    BYPASS = "issue a bypass"
    BYPASS_ENROLS = "issue a bypass that binds an authenticator"
    ENROLMENT_CODE = "issue an enrolment code"
    UNLOCK = "unlock"
    REMOVE_FACTOR = "remove an authenticator"
    RESET = "reset factors"
    ADD = "add an account"
    SET_GROUP = "change a group"
    SET_ROLE = "change a role"
    SUSPEND = "suspend"
    RESUME = "resume"
    REMOVE = "remove an account"
    MAKE_KEY = "make or revoke an API key"


@unique
class Denial(Enum):
    """Why not, for whoever asked."""

    ROLE = "your role does not do this: ask an owner"
    SCOPE = "this API key is not good for that: make one with the scope it needs"
    PEOPLE_ONLY = "roles and API keys are given by people who signed in: do it in the portal or on the guard"
    GUARD_ONLY = "shared mailboxes and services get in by what is made on the guard alone: ask whoever runs it"
    REACH = "there is no such account within what your role reaches"
    ADMINISTRATOR = "this is an administrator's account: an owner who reaches as much as they do acts on it"
    ABOVE = "this role would reach further than yours"
    SELF = "nobody does this to their own account here: ask another administrator"
    LAST_OWNER = "this is the last owner of everything: make another one first"


_OWNERS = frozenset({Role.OWNER})
_HELPERS = frozenset({Role.OWNER, Role.HELPDESK})
_EVERYBODY = frozenset({Role.OWNER, Role.HELPDESK, Role.AUDITOR})
_ROLES = {
    Act.READ: _EVERYBODY,
    Act.CLAIM_LINK: _HELPERS,
    Act.REVOKE: _HELPERS,
    Act.END_ALL: _OWNERS,
    Act.BYPASS: _HELPERS,
    Act.BYPASS_ENROLS: _OWNERS,
    Act.ENROLMENT_CODE: _HELPERS,
    Act.UNLOCK: _HELPERS,
    Act.REMOVE_FACTOR: _OWNERS,
    Act.RESET: _OWNERS,
    Act.ADD: _OWNERS,
    Act.SET_GROUP: _OWNERS,
    Act.SET_ROLE: _OWNERS,
    Act.SUSPEND: _OWNERS,
    Act.RESUME: _OWNERS,
    Act.REMOVE: _OWNERS,
    Act.MAKE_KEY: _OWNERS,
}
_SCOPES = {
    Act.READ: Scope.READ,
    Act.CLAIM_LINK: Scope.ISSUE,
    Act.REVOKE: Scope.REVOKE,
    Act.END_ALL: Scope.REVOKE,
    Act.BYPASS: Scope.ISSUE,
    Act.BYPASS_ENROLS: Scope.ISSUE,
    Act.ENROLMENT_CODE: Scope.ISSUE,
    Act.UNLOCK: Scope.ACCOUNTS,
    Act.REMOVE_FACTOR: Scope.ACCOUNTS,
    Act.RESET: Scope.ACCOUNTS,
    Act.ADD: Scope.ACCOUNTS,
    Act.SET_GROUP: Scope.ACCOUNTS,
    Act.SUSPEND: Scope.ACCOUNTS,
    Act.RESUME: Scope.ACCOUNTS,
    Act.REMOVE: Scope.ACCOUNTS,
}
DANGEROUS = frozenset(
    {
        Act.BYPASS,
        Act.BYPASS_ENROLS,
        Act.ENROLMENT_CODE,
        Act.REMOVE_FACTOR,
        Act.RESET,
        Act.SET_GROUP,
        Act.SET_ROLE,
        Act.REMOVE,
        Act.MAKE_KEY,
    }
)
"""What lets somebody in, or takes away what keeps them out: it takes a sign-in of the last minutes (ASVS 7.5.1)."""
_OF_NOBODY = frozenset({Act.READ, Act.MAKE_KEY})  # where no account is meant, everybody does it within their limit
_OWN = frozenset({Act.READ, Act.REVOKE, Act.SET_ROLE})
_OF_PEOPLE = frozenset({Act.ADD, Act.CLAIM_LINK})  # done for others by operators alone
_WEAKENS = frozenset({Act.SUSPEND, Act.REMOVE, Act.RESET, Act.REMOVE_FACTOR, Act.SET_ROLE})


def may(
    acting: Acting, act: Act, account: Account | None, becomes: Account | None = None, *, last_owner: bool = False
) -> Denial | None:
    """None, or why not. `account`: whom it is done to; `becomes`: what comes of it, where that is an account again;
    `last_owner`: there is no other owner of everything."""
    if acting.role not in _ROLES[act]:
        return Denial.ROLE
    if acting.means is Means.API_KEY:
        scope = _SCOPES.get(act)
        if scope is None:
            return Denial.PEOPLE_ONLY
        if scope not in acting.scopes:
            return Denial.SCOPE
    if account is None:
        return None if act in _OF_NOBODY or acting.limit == EVERYTHING else Denial.REACH
    return _towards(acting, act, account, becomes, last_owner=last_owner)


def _towards(acting: Acting, act: Act, account: Account, becomes: Account | None, *, last_owner: bool) -> Denial | None:
    if not all(acting.limit.reaches(each) for each in (account, becomes) if each is not None):
        return Denial.REACH
    if act is Act.READ:
        return None
    if account.administrator and not (acting.role is Role.OWNER and account.role_limit.within(acting.limit)):
        return Denial.ADMINISTRATOR
    if becomes is not None and becomes.administrator and may_give(acting, becomes.role, becomes.role_limit):
        return Denial.ABOVE
    if act in _OF_PEOPLE and account.kind is not AccountKind.PERSON and acting.means is not Means.OPERATOR:
        return Denial.GUARD_ONLY
    if account.id and account.id == acting.account_id and act not in _OWN:
        return Denial.SELF
    if last_owner and act in _WEAKENS and acting.means is not Means.OPERATOR and not _owns_everything(becomes):
        return Denial.LAST_OWNER
    return None


def takes(act: Act) -> tuple[frozenset[Role], Scope | None]:
    """The roles that do it, and the scope by which an API key does; None: none does."""
    return _ROLES[act], _SCOPES.get(act)


def may_give(acting: Acting, role: Role, limit: RoleLimit) -> Denial | None:
    """May they give this role, to a person or to an API key?"""
    if role is not Role.NONE and not (acting.role is Role.OWNER and limit.within(acting.limit)):
        return Denial.ABOVE
    return None


def _owns_everything(account: Account | None) -> bool:
    return account is not None and account.role is Role.OWNER and account.role_limit == EVERYTHING
