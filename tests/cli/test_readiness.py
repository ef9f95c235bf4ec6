import asyncio
import time
from dataclasses import replace

import pytest

from mailguard import config, keyring
from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Factor, MailProtocol, Origin, Reason
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.secret import Secret
from mailguard.store import Store
from tests.cli.conftest import Installation

ANN, BOB = AccountName("ann@example.org"), AccountName("bob@example.org")
HOME, OFFICE = Origin.of("198.51.100.7", 4000), Origin.of("192.0.2.9", 4000)
DAY = 24 * 3600.0


async def watched(here: Installation, *rows: AuditRow) -> None:
    """Logins as the record holds them, and bob's authenticator."""
    settings = config.load(here.file)
    store = await Store.open(settings.store.url, keyring.load(settings.keys.file))
    try:
        for row in rows:
            await store.ledger.record(row)
        device = await store.devices.enrol(BOB, "phone", Secret(b"JBSWY3DPEHPK3PXP"), actor="operator:test")
        await store.devices.confirm(device.id, 1, actor="operator:test")
    finally:
        await store.close()


@pytest.fixture
def logins() -> tuple[AuditRow, ...]:
    now = time.time()
    login = AuditRow(
        Event.LOGIN_GRANTED,
        now - 3 * DAY,
        account=ANN,
        origin=HOME,
        protocol=MailProtocol.IMAP,
        factor=Factor.PASSWORD,
        session="mg-1",
        reason="would-be-refused",
    )
    ended = replace(login, event=Event.SESSION_ENDED, at=now - 2 * DAY, reason="client", client="Thunderbird 128")
    again = replace(login, at=now - DAY, session="mg-2", client="Thunderbird 128")
    printer = replace(login, at=now - DAY, session="mg-3", origin=OFFICE, protocol=MailProtocol.SUBMISSION)
    refused = replace(
        printer, event=Event.LOGIN_REFUSED, factor=None, reason=Reason.SECOND_FACTOR_REQUIRED, at=now - 60, session="x"
    )
    longago = replace(login, at=now - 90 * DAY, session="mg-0", origin=Origin.of("198.51.100.8", 1))
    coded = replace(login, factor=Factor.CODE, session="mg-4", origin=Origin.of("198.51.100.9", 1))
    bobs = replace(login, account=BOB, session="mg-5")
    nobodys = replace(login, account="gone@example.org", session="mg-6")
    return longago, login, ended, again, printer, refused, coded, bobs, nobodys


def test_it_names_who_by_which_client_since_when_and_what_to_do(
    master: Installation, logins: tuple[AuditRow, ...]
) -> None:
    for name in (ANN, BOB):
        master.done("account", "add", name)
    assert master.done("readiness", "--json").json == []
    asyncio.run(watched(master, *logins))
    printer, laptop = sorted(master.done("readiness", "--json").json, key=lambda row: row["protocol"], reverse=True)
    assert (laptop["account"], laptop["client"], laptop["address"]) == (ANN, "Thunderbird 128", str(HOME.address))
    assert (laptop["outcome"], laptop["logins"], laptop["refused"]) == ("locked out", 2, 0)
    assert laptop["since"] < laptop["last"]
    assert f"mailguard totp enrol {ANN}" in laptop["remedy"]
    assert (printer["protocol"], printer["logins"], printer["refused"]) == ("submission", 1, 1)
    assert "1 accounts would be locked out" in master.done("readiness").err
    assert len(master.done("readiness", "--since", "100d", "--json").json) == 3
    assert master.done("readiness", "--group", "staff", "--json").json == []
    assert "there is no group" in master("readiness", "--group", "stuff").err


def test_a_trusted_network_and_an_app_password_that_an_operator_has_seen_are_told_apart(
    master: Installation, logins: tuple[AuditRow, ...]
) -> None:
    text = master.file.read_text()
    trust = 'trusted_networks = [{ network = "192.0.2.0/24", until = 2999-12-31 }]'
    master.file.write_text(text.replace("trusted_networks = []", trust))
    for name in (ANN, BOB):
        master.done("account", "add", name)
        master.done("app-password", "issue", name, "--label", "scanner")
    asyncio.run(watched(master, *logins))
    rows = master.done("readiness", "--json").json
    assert [(row["account"], row["outcome"]) for row in rows] == [
        (ANN, "trusted network"),
        (ANN, "locked out"),
        (ANN, "app password"),
    ]
    assert rows[-1]["client"] == "scanner"


def test_an_account_shows_the_policy_that_holds_for_it_now(master: Installation) -> None:
    master.file.write_text(master.file.read_text() + "enforce_from = 2999-01-01\n")  # of the last table, staff
    master.done("account", "add", ANN, "--group", "staff")
    master.done("account", "add", BOB, "--group", "staff", "--role", "owner")
    ann, bob = (master.done("account", "show", name, "--json").json for name in (ANN, BOB))
    assert (ann["two_factor"], ann["enforce_from"]) == ("warn", "2999-01-01")
    assert bob["two_factor"] == "enforce"
    assert (ann["grant_limit"], ann["codes_in_mail_clients"], ann["app_password_limit"]) == ("12h", True, 20)
