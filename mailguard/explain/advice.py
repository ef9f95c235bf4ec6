"""What is advised in each trouble, in one place: a translation replaces this module and `words`, nothing else.

A text may name, in braces, what `words.parts` knows. Commands are ready to be copied but for what stands in capitals.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailguard.explain.paragraph import Words
from mailguard.explain.troubles import Kind

_ISSUE = 'mailguard app-password issue {name} --label "NAME OF THE DEVICE"'
_LIST = "mailguard account list"
_CHECK = "mailguard check"

ADVICE: Mapping[Kind, Words] = {
    Kind.STALE_PASSWORD: Words(
        "It sends a wrong password. If this goes on by itself, it is a device that still holds an old one: find it by "
        "the address above and type the present password there, or better an app password made for it. If the password "
        "is certainly right now, forget the wrong tries first.",
        ("mailguard account unlock {name}", _ISSUE),
    ),
    Kind.NO_CODE: Words(
        "The password it sends comes without a code, and this account has an authenticator. A person types the code "
        "right behind the password, without a space; a phone or a program that signs in by itself needs an app "
        "password, which needs no code.",
        (_ISSUE,),
    ),
    Kind.WRONG_CODE: Words(
        "The password was right, the code behind it was not, and it fits no time within ten minutes: a typing error, a "
        "code of another entry in the app, or of an authenticator that was replaced. Have the person type the code "
        "that shows now. If a fresh code fails too, see which authenticators the account has; resetting them lets its "
        "owner set up a new one.",
        ("mailguard totp list {name}", "mailguard totp reset {name}"),
    ),
    Kind.WRONG_CLOCK: Words(
        "The password was right. The code would have been right at a clock {drift} the guard's: one of the two clocks "
        "is wrong, or an old code was typed. {clock}",
        (_CHECK,),
    ),
    Kind.USED_CODE: Words(
        "It sends a password and code that were used before and whose time is over: a program that saved what was "
        "typed, and tries it again and again. Type a fresh code; for a device that is to stay signed in, make an app "
        "password and type that in once.",
        (_ISSUE,),
    ),
    Kind.REPLAY: Words(
        "A password and code that had opened this mailbox a while ago came once more, from another network. Either the "
        "device changed networks (from Wi-Fi to mobile), and a fresh code or an app password helps; or somebody has "
        "seen what was typed. Ask the person which it was. If it was not them, end what is open now, and have the "
        "password changed today.",
        ("mailguard session end --account {name}", _ISSUE),
    ),
    Kind.REVOKED: Words(
        "Its app password was revoked{revoked}, so it stays out. If the device is still wanted, make a new app "
        "password and type that into it. If the device was lost or stolen, this is the one: it is still switched on, "
        "and it does not get in.",
        (_ISSUE,),
    ),
    Kind.EXPIRED: Words(
        "Its app password has run out{ended}. Make a new one and type it into the device; for one that is never to run "
        "out add --expires never.",
        (_ISSUE,),
    ),
    Kind.WRONG_SCOPE: Words(
        "Its app password is right, but {detail}.{scope} Use it where it is meant to be used, or make one that fits.",
        ("mailguard app-password list {name}", _ISSUE),
    ),
    Kind.NEEDS_VAULT: Words(
        "Its app password was made by an older version, which could not seal the mailbox's password to it. Make a new "
        "one and type it into the device.",
        (_ISSUE,),
    ),
    Kind.VAULT_STALE: Words(
        "Its app password is right, but the mail store does not take the mailbox's password that is kept for it, or "
        "none is kept yet; most likely the password was changed. Nothing has to be set up anew. Have the owner sign in "
        "once with the new password and a code: that renews it for all their devices, which try again by themselves "
        "within a quarter of an hour. For a mailbox that no person signs in to, renew it here.",
        ("mailguard app-password renew {name}",),
    ),
    Kind.ANOTHERS: Words(
        "It sends an app password that belongs to another account, with the name {name}. Most likely the two were "
        "mixed up when the device was set up: put the right pair in. If nobody set up such a device, the app password "
        "{credential} was stolen: revoke it at the account whose it is.",
        ("mailguard app-password revoke ADDRESS {credential}",),
    ),
    Kind.ANOTHER_PROGRAM: Words(
        "Its app password is bound to one program, and this is another one: it was cut off. If the owner changed "
        "programs, make a new app password. If not, somebody else has it: revoke it now.",
        ("mailguard app-password revoke {name} {credential}", _ISSUE),
    ),
    Kind.THROTTLED: Words(
        "Too many different wrong passwords came for this account or from this network, so further ones have to wait. "
        "App passwords that are right are not held up. {others}",
        ("mailguard account unlock {name}",),
    ),
    Kind.LOCKED: Words(
        "A hundred wrong passwords or codes came for this account in a row, without a right one between. Password and "
        "code are not looked at any more; app passwords go on working. Ask its owner whether it was they. If not, "
        "somebody is guessing: see from where, and let the password be changed. Then unlock the account.",
        ("mailguard audit list {name} --since 24h", "mailguard account unlock {name}"),
    ),
    Kind.CODES_HELD: Words(
        "The password was right, but five codes after it were wrong, so none is looked at for ten minutes. Let the "
        "owner wait that long and then type one code, slowly. If it was not the owner, somebody knows the password: "
        "have it changed.",
        ("mailguard account unlock {name}",),
    ),
    Kind.FACTOR_DEMANDED: Words(
        "The password was right, but this account must have a second factor and has none. Set one up with its owner, "
        "here or by a code for the web pages; devices that sign in by themselves then get app passwords.",
        ("mailguard totp enrol {name}", "mailguard enrolment-code issue {name}"),
    ),
    Kind.PASSKEY_ONLY: Words(
        "The password was right, but this account has a passkey only: mail programs need an app password, for none of "
        "them can show a passkey. Its owner makes one at the web pages, or you do here.",
        (_ISSUE,),
    ),
    Kind.PASSKEY_STRANGE: Words(
        "The password was right, the passkey shown with it is none of this account's, or was made for another address "
        "of the web pages. Have the person choose the right one, or sign in by a code; a passkey that was removed must "
        "be added anew.",
        ("mailguard passkey list {name}",),
    ),
    Kind.PASSKEY_CLONED: Words(
        "The password and the passkey were right, but the passkey counts its uses and the count went back. Either its "
        "device was restored from a backup, or somebody holds a copy. Ask the owner; then remove the passkey and have "
        "a new one added. If it was not the owner, their password is known too: a new one at the store.",
        ("mailguard passkey list {name}", "mailguard passkey remove {name} {credential}"),
    ),
    Kind.CODES_BARRED: Words(
        "Password and code were right, but your policy takes no codes in mail programs "
        "(policy.codes_in_mail_clients). Make an app password for the program.",
        (_ISSUE,),
    ),
    Kind.PASSWORD_BARRED: Words(
        "This is a shared mailbox or that of a device: no password opens it, only app passwords do. Make one for the "
        "program; at a shared mailbox add --person and the address of whose it is to be.",
        (_ISSUE,),
    ),
    Kind.SUSPENDED: Words(
        "The account was suspended, or at a shared mailbox the person whose app password it is. If it is meant to "
        "work, resume it.",
        ("mailguard account resume {name}",),
    ),
    Kind.NO_ACCOUNT: Words(
        "There was no account of this name, or there can be none ({detail}). Have the whole address typed as user "
        "name, and compare it with the list.",
        (_LIST,),
    ),
    Kind.STORE_DOWN: Words(
        "The mail store did not answer as it should: {detail}.{store} Nobody has to type anything anew, and no code "
        "was used up. See that the store runs; this command asks it and says what is wrong.",
        (_CHECK,),
    ),
    Kind.SOURCE_DOWN: Words(
        "Whoever checks passwords did not answer: {detail}. App passwords work meanwhile. See that the directory runs; "
        "this command asks it and says what is wrong.",
        (_CHECK,),
    ),
    Kind.GUARD_REFUSED: Words(
        "The mail store refused the guard itself: {detail}. Either this mailbox does not exist there, or the guard's "
        "own password at the store (master_secret_file) is not right any more; in that case nobody gets in.",
        (_CHECK,),
    ),
    Kind.STORE_UNSAFE: Words(
        "The mail store would let a user walk around the guard, so nobody is let in: {detail}. Most likely it was "
        "set up anew; this command names the setting.",
        (_CHECK,),
    ),
    Kind.GUARD_CLOCK: Words(
        "The guard's own clock jumped, or is behind what it has recorded, so it took no codes for a minute.{behind} "
        "See that the guard's machine keeps its time by itself (chrony or systemd-timesyncd); a machine that was "
        "paused does this once.",
        (_CHECK,),
    ),
    Kind.PASSING: Words("The guard was being restarted, or the account was changed at that moment. Nothing to do."),
    Kind.OTHER: Words(
        "The record gives a reason that this version does not know. Look at the rows themselves.",
        ("mailguard audit list {name}",),
    ),
}

CLOCK_OURS = "The guard's own clock is behind its record, so it is the guard's that is wrong: set it right."
CLOCK_THEIRS = (
    "A code was taken at {taken}, so the guard's clock seems right, and the phone's is wrong: switch on automatic date "
    "and time there, then type a fresh code."
)
CLOCK_UNKNOWN = (
    "No code was taken lately, so which of the two is wrong cannot be told from here: switch on automatic date and "
    "time on the phone, and see below that the guard's is kept right."
)
OTHERS = (
    "Most of the wrong ones from this network were for {worst}. Find and mend that device first, or it begins again; "
    "then forget its tries, and those of this account."
)
NO_OTHERS = (
    "Find the device that sends the wrong ones: it is named in another paragraph here, or stands at the address above. "
    "Then let the account in again."
)
UNKNOWN_DETAIL = "no more is known"
