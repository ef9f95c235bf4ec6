"""Events as they scroll by in the demo."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth.attempt import Factor, MailProtocol, Reason
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.demo.phone import Phone
from mailguard.demo.screen import Screen
from mailguard.demo.watch import Watch, line
from mailguard.store import Store
from mailguard.store.audit import Recorded

PHONE = Phone("maple-otter", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
GRANTED = AuditRow(Event.LOGIN_GRANTED, 59.0, protocol=MailProtocol.IMAP, factor=Factor.CODE, client="Thunderbird")
REFUSED = AuditRow(
    Event.LOGIN_REFUSED, 61.0, protocol=MailProtocol.SUBMISSION, reason=Reason.WRONG_PASSWORD, mechanism="PLAIN"
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'records.db'}", keyring.create(tmp_path / "keys.toml"))
    yield store
    await store.close()


async def test_each_event_is_told_once_and_none_from_before(store: Store) -> None:
    await store.ledger.record(REFUSED)
    watch = await Watch.begin(store)
    assert await watch.news() == []
    await store.ledger.record(GRANTED)
    [told] = await watch.news()
    assert told.split()[1:] == ["login", "granted", "imap", "code", "Thunderbird"]
    assert await watch.news() == []


@pytest.mark.parametrize("row", [GRANTED, REFUSED], ids=lambda row: str(row.event))
def test_an_event_fits_its_line(row: AuditRow) -> None:
    assert len(line(Recorded(1, row, 0, row.at))) <= 80


def test_a_client_cannot_write_on_the_terminal() -> None:
    row = AuditRow(Event.LOGIN_GRANTED, 59.0, client="\x1b]0;pwned\x07\n" + "x" * 100)
    shown = line(Recorded(1, row, 0, row.at))
    assert shown.isprintable()
    assert len(shown) == 80


async def test_a_terminal_has_the_code_in_its_last_line_and_events_above(store: Store) -> None:
    out = Terminal()
    screen = Screen(PHONE, await Watch.begin(store), out)
    await screen.draw(59.0)
    await store.ledger.record(GRANTED)
    await screen.draw(60.0)
    screen.clear()
    first, event_and_second = out.getvalue().split("\r\x1b[K")[1], out.getvalue().split("\r\x1b[K")[2:]
    assert first == PHONE.countdown(59.0)
    assert "login granted" in event_and_second[0]
    assert event_and_second[0].endswith("\n")
    assert event_and_second[1:] == [PHONE.countdown(60.0), ""]


async def test_elsewhere_there_is_one_line_a_code(store: Store) -> None:
    out = io.StringIO()
    screen = Screen(PHONE, await Watch.begin(store), out)
    for now in (57.0, 58.0, 60.0, 61.0):
        await screen.draw(now)
    screen.clear()
    assert out.getvalue().splitlines() == [PHONE.announcement(57.0), PHONE.announcement(60.0)]
