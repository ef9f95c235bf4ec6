"""Troubles → words: each says what to do."""

from dataclasses import replace

import pytest

from mailguard.auth.accounts import Account, AppPassword, SuspendedBy
from mailguard.auth.attempt import MailProtocol
from mailguard.explain.advice import ADVICE
from mailguard.explain.case import Case, Neighbour
from mailguard.explain.troubles import Kind, Trouble
from mailguard.explain.words import paragraph, summary
from mailguard.store.probes import ProbeRow
from tests.store.words import ANN, NOON

IMAP = MailProtocol.IMAP
CASE = Case(name=ANN, account=Account("a", ANN), since=NOON - 86400, now=NOON)
PHONE = AppPassword(
    "p1", "a", "Ann's phone", frozenset({MailProtocol.IMAP}), expires_at=NOON - 60, revoked_at=NOON - 90
)


def trouble(kind: Kind, **more: object) -> Trouble:
    values = {
        "times": 3,
        "since": NOON - 600,
        "last_at": NOON - 60,
        "addresses": ("192.0.2.7",),
        "protocols": ("imap",),
    }
    return Trouble(kind, **{**values, **more})  # type: ignore[arg-type]  # passed on as it is


@pytest.mark.parametrize("kind", Kind)
def test_every_trouble_has_words_that_end_in_something_to_do(kind: Kind) -> None:
    said = paragraph(trouble(kind, credential="p1"), replace(CASE, app_passwords={"p1": PHONE}))
    assert "3 times, from 2026-11-24 11:50 UTC to 2026-11-24 11:59 UTC" in said.text
    assert "192.0.2.7" in said.text
    assert "{" not in said.text + "".join(said.commands)
    assert said.commands or kind is Kind.PASSING
    assert set(ADVICE) == set(Kind)


def test_the_device_is_named() -> None:
    known = replace(CASE, app_passwords={"p1": replace(PHONE, last_client="K-9 Mail 6")})
    said = paragraph(trouble(Kind.REVOKED, credential="p1", addresses=tuple("abcde")), known).text
    assert said.startswith(
        "The program “K-9 Mail 6” with the app password “Ann's phone”, at a, b, c and 2 more, reading mail (IMAP), was "
        "turned away 3 times"
    )
    assert "revoked at 2026-11-24 11:58 UTC" in said
    unnamed = paragraph(trouble(Kind.STALE_PASSWORD, times=1), CASE).text
    assert unnamed.startswith(
        "A mail program (it did not say its name), at 192.0.2.7, reading mail (IMAP), was turned away once"
    )


def test_which_clock_is_wrong_is_said_where_it_can_be_known() -> None:
    off = trouble(Kind.WRONG_CLOCK, drift=-240)
    assert "a clock 4 minutes behind the guard's" in paragraph(off, CASE).text
    assert "cannot be told from here" in paragraph(off, CASE).text
    assert "the phone's is wrong" in paragraph(off, replace(CASE, code_taken_at=NOON)).text
    assert "cannot be told" in paragraph(off, replace(CASE, code_taken_at=NOON - 80_000)).text
    assert "the guard's that is wrong" in paragraph(off, replace(CASE, clock_behind=300.0, code_taken_at=NOON)).text
    assert "2.5 minutes ahead of" in paragraph(trouble(Kind.WRONG_CLOCK, drift=150), CASE).text
    assert (
        "It is 300 seconds behind now." in paragraph(trouble(Kind.GUARD_CLOCK), replace(CASE, clock_behind=300.0)).text
    )


def test_who_slows_an_office_down_is_named_and_comes_first() -> None:
    said = paragraph(trouble(Kind.THROTTLED), replace(CASE, neighbours=(Neighbour("bob@example.org", 180),)))
    assert "for bob@example.org (180 times)" in said.text
    assert said.commands == (
        "mailguard explain bob@example.org",
        "mailguard account unlock bob@example.org",
        "mailguard account unlock ann@example.org",
    )


def test_how_the_store_fares_now_is_said() -> None:
    down = trouble(Kind.STORE_DOWN, detail="no answer in time")

    def said(*, error: str = "", at: float = NOON) -> str:
        return paragraph(down, replace(CASE, probes={MailProtocol.IMAP: ProbeRow((), at, error)})).text

    assert "answered again since" in said()
    assert "still in trouble (unreachable)" in said(error="unreachable")
    assert "asked again" not in said(at=NOON - 900)
    assert "answered again" not in said(at=NOON - 900)
    elsewhere = replace(CASE, probes={MailProtocol.SUBMISSION: ProbeRow((), NOON, "")})
    assert "answered again" not in paragraph(down, elsewhere).text


def test_how_an_app_password_ended_and_what_it_is_for() -> None:
    idle = replace(PHONE, expires_at=None, idle=60.0)
    for password, words in (
        (PHONE, "run out at 2026-11-24 11:59 UTC"),
        (idle, "lie idle"),
        (replace(idle, idle=None), "run out."),
        (replace(PHONE, first_use_by=PHONE.expires_at), "run out at 2026-11-24 11:59 UTC"),
        (replace(idle, first_use_by=NOON), "not used within a day of its making"),
        (replace(idle, first_use_by=NOON, last_used_at=NOON - 90), "lie idle"),
    ):
        known = replace(CASE, app_passwords={"p1": password})
        assert words in paragraph(trouble(Kind.EXPIRED, credential="p1"), known).text
    known = replace(CASE, app_passwords={"p1": PHONE})
    scope = paragraph(trouble(Kind.WRONG_SCOPE, credential="p1", detail="not for submission"), known).text
    assert "but not for submission. It is for reading mail (IMAP)." in scope


def test_what_is_over_says_so() -> None:
    done = trouble(Kind.STALE_PASSWORD, mended_at=NOON)
    assert "seems to be over: a login passed at 2026-11-24 12:00 UTC" in paragraph(done, CASE).text
    assert "All of it seems to be over" in summary(replace(CASE, troubles=(done,), tried=True)).text


CLOSED = replace(Account("a", ANN), suspended_by=SuspendedBy.SOURCE)


@pytest.mark.parametrize(
    ("changes", "words", "command"),
    [
        ({"account": None}, "nobody tried to sign in by that name", "mailguard account list"),
        ({"account": None, "tried": True}, "somebody tried to sign in by that name", f"mailguard account add {ANN}"),
        ({}, "no program reached the guard", "mailguard check"),
        ({"probes": {IMAP: ProbeRow((), NOON, "unreachable")}}, "the store for reading mail (IMAP) in trouble", None),
        ({"tried": True, "let_in_at": NOON}, "All is well", None),
        (
            {"account": CLOSED},
            "identity source",
            f"mailguard account resume {ANN}",
        ),
        ({"tried": True, "troubles": (trouble(Kind.REPLAY),)}, "One thing went wrong", None),
        ({"tried": True, "troubles": (trouble(Kind.REPLAY), trouble(Kind.NO_CODE))}, "2 things went wrong", None),
    ],
)
def test_how_the_address_stands(changes: dict[str, object], words: str, command: str | None) -> None:
    said = summary(replace(CASE, **changes))  # type: ignore[arg-type]  # passed on as it is
    assert words in said.text
    assert command is None or command in said.commands
