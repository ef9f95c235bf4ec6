"""Troubles → plain words, in one place: what failed, why, which device, what to do next.

Written for somebody who looks after the mail on the side and has a colleague on the telephone: no word that only we
use, and each paragraph ends with something to do. Commands are apart, ready to be copied.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailguard.auth.accounts import SuspendedBy
from mailguard.explain import advice as said
from mailguard.explain.advice import ADVICE
from mailguard.explain.paragraph import Words
from mailguard.explain.troubles import OF_NO_DEVICE, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailguard.auth.accounts import AppPassword
    from mailguard.explain.case import Case
    from mailguard.explain.troubles import Trouble

_CLOSERS = {SuspendedBy.OPERATOR: "an operator", SuspendedBy.SOURCE: "the identity source (directory)"}
HOUR = 3600.0
ADDRESSES = 3  # that are named; a phone has many
_PROTOCOLS = {
    "imap": "reading mail (IMAP)",
    "submission": "sending mail (SMTP)",
    "portal": "signing in at the web pages",
}


def summary(case: Case) -> Words:
    """The first paragraph: how this address stands."""
    stands, now = _standing(case), _now(case)
    return Words(f"{stands.text}{now}", stands.commands)


def _now(case: Case) -> str:
    """A store that is down: programs are turned away before they can sign in, and leave no row."""
    for protocol, probe in case.probes.items():
        if probe.error:
            return (
                f" The guard found the store for {_PROTOCOLS[protocol]} in trouble at {when(probe.at)} ({probe.error}):"
                " programs are turned away there before they can sign in."
            )
    return ""


def _standing(case: Case) -> Words:
    name, since = case.name, when(case.since)
    open_ones = sum(each.mended_at is None for each in case.troubles)
    if case.account is None:
        return _without_account(case)
    if case.account.suspended:
        by = _CLOSERS[case.account.suspended_by]
        return Words(
            f"{name} is suspended by {by}: nobody gets in, whatever they type. If it is "
            "meant to work again, resume it.",
            (f"mailguard account resume {name}",),
        )
    last = f" The last login that passed: {when(case.let_in_at)}." if case.let_in_at is not None else ""
    if case.troubles:
        count = "one thing" if len(case.troubles) == 1 else f"{len(case.troubles)} things"
        over = "" if open_ones else " All of it seems to be over: the same devices were let in afterwards."
        return Words(f"{count.capitalize()} went wrong for {name} since {since}.{last}{over}")
    if case.tried:
        return Words(
            f"All is well with {name}: nothing failed since {since}.{last} Should somebody see an error all the same, "
            "it comes from their program, or from the mail store after the login."
        )
    return Words(
        f"Nobody tried to sign in as {name} since {since}: no program reached the guard with this name. See in the "
        "program that server name and port are the guard's, and that the user name is this whole address. If the "
        "trouble is older, look further back.",
        (f"mailguard explain {name} --since 30d", "mailguard check"),
    )


def _without_account(case: Case) -> Words:
    name = case.name
    if not case.tried:
        return Words(
            f"There is no account {name} here, and nobody tried to sign in by that name since {when(case.since)}. Is "
            "the address written as its owner writes it? The list of accounts shows how the others are written.",
            ("mailguard account list",),
        )
    return Words(
        f"There is no account {name} here, though somebody tried to sign in by that name. A typing error, an address "
        "that was given up, or a stranger who guesses. If it should exist, make it.",
        ("mailguard account list", f"mailguard account add {name}"),
    )


def paragraph(trouble: Trouble, case: Case) -> Words:
    """What is in the way, and the next step."""
    advice, parts = ADVICE[trouble.kind], _parts(trouble, case)
    commands = tuple(each.format_map(parts) for each in advice.commands)
    if trouble.kind is Kind.THROTTLED:
        commands = (*_first_of(case), *commands)
    who = _everybody(trouble) if trouble.kind in OF_NO_DEVICE else _who(trouble, case)
    over = ""
    if trouble.mended_at is not None:
        over = f" It seems to be over: a login passed at {when(trouble.mended_at)}."
    return Words(f"{who} {advice.text.format_map(parts)}{over}", commands)


def when(seconds: float) -> str:
    """A moment, to the minute."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _who(trouble: Trouble, case: Case) -> str:
    password = case.app_passwords.get(trouble.credential)
    client = trouble.client or (password.last_client if password is not None else "")
    device = f"The program “{client}”" if client else "A mail program (it did not say its name)"
    label = f" with the app password “{password.label}”" if password is not None else ""
    return f"{device}{label}{_where(trouble)} was turned away {_often(trouble)}."


def _everybody(trouble: Trouble) -> str:
    return f"Logins could not be finished, {_often(trouble)}{_where(trouble)}: their credentials were not at fault."


def _where(trouble: Trouble) -> str:
    named = ", ".join(trouble.addresses[:ADDRESSES])
    more = len(trouble.addresses) - ADDRESSES
    at = f", at {named}{f' and {more} more' if more > 0 else ''}" if named else ""
    doing = " and ".join(_PROTOCOLS.get(each, each) for each in trouble.protocols)
    return f"{at}{f', {doing},' if doing else ','}"


def _often(trouble: Trouble) -> str:
    if trouble.times == 1:
        return f"once, at {when(trouble.since)}"
    return f"{trouble.times} times, from {when(trouble.since)} to {when(trouble.last_at)}"


def _parts(trouble: Trouble, case: Case) -> Mapping[str, str]:
    """What the advice may name."""
    password = case.app_passwords.get(trouble.credential)
    return {
        "name": case.name,
        "credential": trouble.credential,
        "detail": trouble.detail or said.UNKNOWN_DETAIL,
        "revoked": f" at {when(password.revoked_at)}" if password is not None and password.revoked_at else "",
        "ended": _end(password),
        "scope": _scope(password),
        "store": _store(trouble, case),
        "drift": _drift(trouble.drift or 0),
        "clock": _clock(trouble, case),
        "others": _others(case),
        "behind": f" It is {case.clock_behind:.0f} seconds behind now." if case.clock_behind else "",
    }


def _drift(ahead: int) -> str:
    minutes = f"{abs(ahead) / 60:.1f}".removesuffix(".0")
    return f"{minutes} minutes {'ahead of' if ahead > 0 else 'behind'}"


def _clock(trouble: Trouble, case: Case) -> str:
    """Which of two clocks is wrong: others' codes tell."""
    if case.clock_behind:
        return said.CLOCK_OURS
    if case.code_taken_at is not None and case.code_taken_at > trouble.since - HOUR:
        return said.CLOCK_THEIRS.format(taken=when(case.code_taken_at))
    return said.CLOCK_UNKNOWN


def _others(case: Case) -> str:
    worst = ", ".join(f"{each.account} ({each.times} times)" for each in case.neighbours)
    return said.OTHERS.format(worst=worst) if worst else said.NO_OTHERS


def _first_of(case: Case) -> tuple[str, ...]:
    """One device with an old password shuts a whole office out: its account comes first."""
    if not case.neighbours:
        return ()
    worst = case.neighbours[0].account
    return f"mailguard explain {worst}", f"mailguard account unlock {worst}"


def _end(password: AppPassword | None) -> str:
    if password is None:
        return ""
    end, first = password.expires_at, password.first_use_by
    if password.last_used_at is None and first is not None and (end is None or first < end):
        return ": it was not used within a day of its making"
    if end is not None:
        return f" at {when(end)}"
    return ": it was not used for longer than it may lie idle" if password.idle is not None else ""


def _scope(password: AppPassword | None) -> str:
    if password is None:
        return ""
    protocols = " and ".join(sorted(_PROTOCOLS.get(each, each) for each in password.protocols))
    networks = f", from {', '.join(map(str, password.networks))} alone" if password.networks else ""
    return f" It is for {protocols}{networks}."


def _store(trouble: Trouble, case: Case) -> str:
    for protocol, probe in case.probes.items():
        if str(protocol) in trouble.protocols:
            if probe.error:
                return f" At {when(probe.at)} it was asked again and was still in trouble ({probe.error})."
            if probe.at > trouble.last_at:
                return f" It has answered again since, at {when(probe.at)}."
    return ""
