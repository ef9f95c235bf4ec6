"""From what a source says to what becomes of accounts."""

from mailguard.auth.accounts import Account, AccountName, SuspendedBy
from mailguard.identity.entry import Seen, Standing
from mailguard.identity.plan import FEW, plan
from mailguard.store.rechecks import Change, Known

ACTIVE, DISABLED, GONE = (Seen(standing) for standing in (Standing.ACTIVE, Standing.DISABLED, Standing.GONE))


def known(name: str = "ann", mark: str = "", **more: object) -> Known:
    return Known(Account(f"id-{name}", AccountName(f"{name}@example.org"), **more), mark)  # type: ignore[arg-type]


def only(each: Known, seen: Seen) -> Change | None:
    changes = plan([each], {each.account.name: seen}).changes
    return changes[0] if changes else None


def test_whoever_is_active_stays_as_they_are() -> None:
    assert only(known(), ACTIVE) is None
    assert plan([known()], {}).changes == (), "said nothing about: left alone"


def test_whoever_is_gone_or_disabled_is_suspended_once() -> None:
    for seen in (DISABLED, GONE):
        change = only(known(), seen)
        assert change is not None
        assert change.suspend
        assert not change.resume
        for by in (SuspendedBy.OPERATOR, SuspendedBy.SOURCE):
            assert only(known(suspended_by=by), seen) is None


def test_only_what_the_source_closed_it_opens() -> None:
    change = only(known(suspended_by=SuspendedBy.SOURCE), ACTIVE)
    assert change is not None
    assert change.resume
    assert only(known(suspended_by=SuspendedBy.OPERATOR), ACTIVE) is None


def test_a_password_has_changed_where_two_marks_differ() -> None:
    change = only(known(mark="one"), Seen(Standing.ACTIVE, "two"))
    assert change is not None
    assert change.password
    for before, now in (("", "two"), ("one", ""), ("one", "one")):
        assert only(known(mark=before), Seen(Standing.ACTIVE, now)) is None
    kept = plan([known(mark="one")], {AccountName("ann@example.org"): ACTIVE}).marks
    assert kept == {"id-ann": "one"}, "a mark that is not shown for a while is not forgotten"


def test_groups_follow_where_the_source_tells_them() -> None:
    change = only(known(group="staff"), Seen(Standing.ACTIVE, group=""))
    assert change is not None
    assert change.group == ""
    assert only(known(group="staff"), Seen(Standing.ACTIVE, group="staff")) is None
    assert only(known(group="staff"), ACTIVE) is None


def test_very_many_at_once_are_suspicious() -> None:
    people = [known(f"p{number}") for number in range(100)]
    closed = [known(f"c{number}", suspended_by=SuspendedBy.SOURCE) for number in range(100)]
    for count, suspicious in ((FEW, False), (10, False), (11, True), (100, True)):
        seen = {each.account.name: GONE if number < count else ACTIVE for number, each in enumerate(people)}
        planned = plan([*people, *closed], seen)
        assert (planned.suspicious, len(planned.suspends)) == (suspicious, count)
    assert plan(people[:FEW], dict.fromkeys((each.account.name for each in people), GONE)).suspicious is False
    mixed = plan([known(mark="one"), *people], {AccountName("ann@example.org"): Seen(Standing.ACTIVE, "two")})
    assert mixed.without_suspensions() == mixed.changes
