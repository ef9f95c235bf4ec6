"""What letters say, in one place: a translation replaces this module and nothing else.

Written for somebody who opens the letter at night and is afraid: what happened, whether it matters, what to do. A text
may name, in braces, what `letter._parts` knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailguard.auth.attempt import Reason
from mailguard.auth.notices import NoticeKind


@dataclass(frozen=True, slots=True)
class Words:
    """One thing that can happen: the subject, what happened, what to do if it was the reader's doing and if not."""

    subject: str
    happened: str
    otherwise: str
    if_you: str = "If you did this or asked for it, there is nothing to do."


HEAD = "This is about the mailbox {account}."
MANY = "{count} things happened to your account"
BY, FROM, WHEN = "by", "from", "when"
OPERATOR = "{name}, who looks after the mail server"
THEMSELVES = "somebody who signed in as you"
SYSTEM = "the mail server itself"
PROTOCOLS = {"imap": "reading mail (IMAP)", "submission": "sending mail (SMTP)", "portal": "the web pages"}
ASK = "Whom to ask: {support}"
ASK_NOBODY_NAMED = "Whom to ask: those who look after your mail. Call them; do not answer this letter."
WHY_YOU = (
    "You get this letter because your address is named as second address of this mailbox, is that of its organisation, "
    "or is the mailbox itself. It was written by a machine, {hostname}; nobody reads answers to it. It asks for no "
    "password and no code, and no true letter of ours ever will."
)
_LOCK_OUT = "Ask at once, whatever the hour, to have the account suspended: that shuts everybody out within a second."

WORDS: Mapping[NoticeKind, Words] = {
    NoticeKind.FACTOR_ADDED: Words(
        "an authenticator was added",
        "An authenticator{label} was added. From now on its codes open your mailbox, together with your password.",
        f"If not, somebody else may hold a key to your mailbox. {_LOCK_OUT}",
    ),
    NoticeKind.FACTOR_REMOVED: Words(
        "an authenticator was removed",
        "An authenticator{label} was removed. Its codes open nothing any more; whoever was signed in with it is out.",
        f"If not, somebody may be clearing your keys away to put in their own. {_LOCK_OUT}",
    ),
    NoticeKind.PASSKEY_ADDED: Words(
        "a passkey was added",
        "A passkey{label} was added. From now on it opens the web pages where your mailbox is looked after, together "
        "with your password; your password alone opens nothing any more. Mail programs take app passwords.",
        f"If not, somebody else may hold a key to your mailbox. {_LOCK_OUT}",
    ),
    NoticeKind.PASSKEY_REMOVED: Words(
        "a passkey was removed",
        "A passkey{label} was removed. It opens nothing any more; whoever was signed in with it is out.",
        f"If not, somebody may be clearing your keys away to put in their own. {_LOCK_OUT}",
    ),
    NoticeKind.PASSKEY_CLONED: Words(
        "a passkey may have been copied",
        "Somebody came with your password and the passkey{label}, and was refused: it counts its uses, and that "
        "count went back. A copy of it was used in between, or a device was restored from a backup.",
        f"If not, somebody has your password and a copy of your passkey. {_LOCK_OUT}",
        if_you="If you restored the device, remove the passkey and add it anew.",
    ),
    NoticeKind.FACTORS_RESET: Words(
        "all authenticators were removed",
        "All authenticators and passkeys of your account were removed, and everybody who was signed in is out. A lost "
        "phone is the usual reason. To sign in again you need a new one.",
        f"If not, somebody may have said on the phone that they are you. {_LOCK_OUT}",
    ),
    NoticeKind.APP_PASSWORD_ISSUED: Words(
        "an app password was made",
        "An app password was made for a mail program or device: {detail}. It opens your mailbox without a code.",
        "If not, ask to have it revoked, and to be told who asked for it.",
    ),
    NoticeKind.APP_PASSWORD_REVOKED: Words(
        "an app password was revoked",
        "The app password{label} was revoked. The device that used it can no longer read or send mail.",
        "If not, ask why it was done. Nobody gets in by this, but your device stops working.",
    ),
    NoticeKind.APP_PASSWORD_FIRST_USED: Words(
        "a new app password was used for the first time",
        "The app password{label} was used for the first time. From now on you get no letter when it is used.",
        "If not, somebody else has it. Ask at once to have it revoked: they are out within a second.",
    ),
    NoticeKind.CLAIM_ISSUED: Words(
        "a link to a new app password was made",
        "A link was made with which an app password can be had once, after signing in as you: {detail}.",
        "If not, open no such link, and ask who had it made.",
    ),
    NoticeKind.CODES_ISSUED: Words(
        "one-time codes were made",
        "One-time codes were made for your account: {detail}. Each stands in for your authenticator, once.",
        f"If not, somebody else may hold a key to your mailbox. {_LOCK_OUT}",
    ),
    NoticeKind.CODES_WITHDRAWN: Words(
        "one-time codes were withdrawn",
        "One-time codes of your account were withdrawn: {detail}. They open nothing any more.",
        "If not, ask why it was done. Codes that you kept on paper may be among them.",
    ),
    NoticeKind.CODE_USED: Words(
        "a one-time code was used",
        "A one-time code was used to sign in as you, in place of your authenticator: {detail}.",
        f"If not, somebody has both your password and one of your codes. {_LOCK_OUT}",
    ),
    NoticeKind.ADDRESS_ADDED: Words(
        "a second address was added",
        "{detail} was added as a second address. In 72 hours it will get letters such as this one.",
        f"If not, somebody may want to read your warnings. {_LOCK_OUT}",
    ),
    NoticeKind.ADDRESS_REMOVED: Words(
        "a second address was removed",
        "{detail} is no second address any more. This is the last letter that it gets.",
        f"If not, somebody may want to keep warnings from you. {_LOCK_OUT}",
    ),
    NoticeKind.PASSWORD_SET: Words(
        "the password was set",
        "A new password was set for your account. The old one opens nothing any more.",
        f"If not, somebody else may know your password now. {_LOCK_OUT}",
    ),
    NoticeKind.ACCOUNT_SUSPENDED: Words(
        "the account was suspended",
        "Your account was suspended. Nobody can read or send mail with it until that is undone; nothing is lost.",
        "If you do not know why, ask.",
        if_you="",
    ),
    NoticeKind.ACCOUNT_REMOVED: Words(
        "the account was removed from the guard",
        "Your account was removed from the guard before your mailbox, with its authenticators and app passwords. The "
        "mail itself is elsewhere and was not touched.",
        "If you do not know why, ask at once: where accounts make themselves, the password alone may open it now.",
        if_you="",
    ),
    NoticeKind.REPLAY: Words(
        "a code of yours was tried again from elsewhere",
        "The password and code with which you signed in were sent once more from another place, and refused. A laptop "
        "that changes from one network to another does this; so does somebody who watched you type.",
        "If not, somebody knows your password. They did not get in. Change it soon, and type it into no page that a "
        "letter leads to.",
        if_you="If you were on the move, there is nothing to do.",
    ),
    NoticeKind.CLIENT_REFUSED: Words(
        "an app password was used by another program",
        "The app password{label} was used by a program that calls itself {client}, not by the one that it is for. The "
        "program was shut out at once.",
        "If you did not set that program up, somebody else has the app password: ask to have it revoked.",
        if_you="",
    ),
    NoticeKind.CLIENT_UNNAMED: Words(
        "an app password was used by a program without a name",
        "The app password{label} is for one program, which gives its name. It was used by one that gives none, and "
        "that was not shut out.",
        "If you did not set such a program up, somebody else may have the app password: ask to have it revoked.",
        if_you="",
    ),
    NoticeKind.VAULT_REFUSED: Words(
        "your devices need your new password",
        "The mail store no longer takes the password that was kept for your app passwords; most likely it was changed. "
        "Your devices cannot get at your mail until you sign in once with the new password and a code: at the next "
        "sign-in it is renewed for all of them. No app password has to be made anew.",
        "If you did not change your password, ask who did.",
        if_you="",
    ),
    NoticeKind.FACTOR_WANTED: Words(
        "your password alone will soon not be enough",
        "{client} gets at your mailbox with your password alone. It will be refused {detail}, for whoever learns your "
        "password could do the same. Until then nothing changes. You get this letter once a week at most.",
        "If you know no such program, somebody else has your password: change it, and tell those who look after your "
        "mail.",
        if_you="If it is yours, ask those who look after your mail for an authenticator, and for an app password for "
        "each phone and mail program.",
    ),
    NoticeKind.DEVICE_FAILING: Words(
        "a device keeps failing to sign in",
        "These devices tried again and again to get at your mailbox in the last day, and were refused each time. You "
        "get this letter once a week at most, while it goes on.",
        "If you know no such device, somebody else is trying, without success: tell those who look after your mail.",
        if_you="",
    ),
}

UNKNOWN_DEVICE = "a mail program"
DEVICE = "{client}{label}, at {address}, {protocol}: refused {times} times, last {last}."
_ANEW = "Make a new app password for it and type that into the device, or remove the account from the device."
_STALE = (
    "It sends a wrong password, most likely an old one. Type the new one into the device, or better an app password."
)
_CODELESS = "It sends a password without a fresh code. Give it an app password, which needs none."
REMEDIES: Mapping[Reason, str] = {
    Reason.APP_PASSWORD_REVOKED: f"Its app password was revoked. {_ANEW}",
    Reason.APP_PASSWORD_EXPIRED: f"Its app password has run out. {_ANEW}",
    Reason.APP_PASSWORD_SCOPE: "Its app password is not for this use or this network. Use one that is.",
    Reason.APP_PASSWORD_NEEDS_VAULT: f"Its app password was made by an older version. {_ANEW}",
    Reason.WRONG_PASSWORD: _STALE,
    Reason.WRONG_REPEATED: _STALE,
    Reason.CODE_MISSING: _CODELESS,
    Reason.CODE_REUSED: _CODELESS,
    Reason.PASSKEY_ONLY: "It sends a password alone. Passkeys are for the web pages: give it an app password.",
    Reason.SECOND_FACTOR_REQUIRED: _CODELESS,
    Reason.NO_PASSWORD_HERE: "This mailbox is opened by app passwords alone. Ask for one for the device.",
}
