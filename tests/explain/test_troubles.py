"""Rows of the record → troubles."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth import drift
from mailguard.auth.attempt import Factor, MailProtocol, Reason
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.explain.troubles import KINDS, Kind, troubles
from mailguard.store.audit import Recorded
from tests.store.words import ANN, ELSEWHERE, HOME, NOON

ROW = AuditRow(Event.LOGIN_REFUSED, NOON, account=ANN, origin=HOME, protocol=MailProtocol.IMAP)


def refused(reason: Reason, at: float = 0.0, *, repeats: int = 0, last: float = 0.0, **more: object) -> Recorded:
    row = replace(ROW, at=NOON + at, reason=reason.value, **more)  # type: ignore[arg-type]  # passed on as it is
    return Recorded(1, row, repeats, NOON + max(at, last))


def let_in(at: float, **more: object) -> Recorded:
    row = replace(ROW, event=Event.LOGIN_GRANTED, at=NOON + at, factor=Factor.CODE, **more)  # type: ignore[arg-type]
    return Recorded(2, row, 0, NOON + at)


def test_every_reason_is_some_trouble() -> None:
    assert set(KINDS) == set(Reason)


def test_rows_of_one_device_are_one_trouble() -> None:
    rows = [
        refused(Reason.WRONG_PASSWORD),
        refused(Reason.WRONG_REPEATED, 10, repeats=8, last=90),
        refused(Reason.WRONG_REPEATED, 20, protocol=MailProtocol.SUBMISSION),
    ]
    (found,) = troubles(rows)
    assert (found.kind, found.times) == (Kind.STALE_PASSWORD, 11)
    assert (found.since, found.last_at) == (NOON, NOON + 90)
    assert found.protocols == ("imap", "submission")


def test_another_network_is_another_device_and_the_newest_comes_first() -> None:
    rows = [refused(Reason.WRONG_PASSWORD, 5), refused(Reason.WRONG_PASSWORD, 9, origin=ELSEWHERE)]
    assert [each.addresses for each in troubles(rows)] == [("198.51.100.9",), ("192.0.2.7",)]


def test_an_app_password_is_one_device_wherever_it_goes() -> None:
    rows = [
        refused(Reason.APP_PASSWORD_REVOKED, 5, credential="x"),
        refused(Reason.APP_PASSWORD_REVOKED, 9, credential="x", origin=ELSEWHERE),
    ]
    (found,) = troubles(rows)
    assert (found.credential, found.addresses) == ("x", ("198.51.100.9", "192.0.2.7"))


def test_a_repeat_is_what_its_first_time_was() -> None:
    rows = [refused(Reason.CODE_WRONG), refused(Reason.WRONG_REPEATED, 5)]
    (found,) = troubles(rows)
    assert (found.kind, found.times) == (Kind.WRONG_CODE, 2)


def test_a_code_of_another_time_is_a_matter_of_clocks() -> None:
    (found,) = troubles([refused(Reason.CODE_WRONG, detail=drift.said(-240))])
    assert (found.kind, found.drift) == (Kind.WRONG_CLOCK, -240)


def test_a_store_in_trouble_is_one_trouble_for_all_devices() -> None:
    first = refused(Reason.BACKEND_UNAVAILABLE, event=Event.LOGIN_DEFERRED, detail="no answer in time")
    rows = [first, refused(Reason.BACKEND_UNAVAILABLE, 3, event=Event.LOGIN_DEFERRED, origin=ELSEWHERE)]
    (found,) = troubles(rows)
    assert (found.kind, found.times, found.detail) == (Kind.STORE_DOWN, 2, "no answer in time")


def test_a_later_login_from_there_mends_it_and_one_from_elsewhere_does_not() -> None:
    wrong = refused(Reason.WRONG_PASSWORD, 5)
    assert troubles([wrong, let_in(4), let_in(9, origin=ELSEWHERE)])[0].mended_at is None
    assert troubles([wrong, let_in(9)])[0].mended_at == NOON + 9


def test_what_a_program_once_called_itself_there_names_the_device() -> None:
    (found,) = troubles([let_in(1, client="Thunderbird 115"), refused(Reason.WRONG_PASSWORD, 5)])
    assert found.client == "Thunderbird 115"


def test_a_program_under_a_client_lock_and_a_reason_of_another_version() -> None:
    rows = [
        refused(Reason.SUSPENDED, event=Event.CLIENT_REFUSED, client="Evil", credential="x"),
        Recorded(1, replace(ROW, reason="of-tomorrow"), 0, NOON),
    ]
    assert {each.kind for each in troubles(rows)} == {Kind.ANOTHER_PROGRAM, Kind.OTHER}


def test_a_row_without_an_origin_is_told_of_all_the_same() -> None:
    (found,) = troubles([refused(Reason.WRONG_PASSWORD, origin=None, protocol=None)])
    assert (found.addresses, found.protocols) == ((), ())


@given(st.lists(st.tuples(st.sampled_from(Reason), st.integers(0, 3), st.integers(0, 9)), max_size=12), st.randoms())
def test_no_refusal_is_lost_and_the_order_of_rows_is_nothing(
    rows: list[tuple[Reason, int, int]], order: object
) -> None:
    made = [refused(reason, at + index / 100, repeats=repeats) for index, (reason, at, repeats) in enumerate(rows)]
    found = troubles(made)
    assert sum(each.times for each in found) == sum(each.repeats + 1 for each in made)
    assert troubles(reversed(made)) == found
