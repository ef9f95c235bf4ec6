"""Whether owners would hear of what happens to their accounts."""

from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.checks import Level
from mailguard.store import Store
from tests.checks.conftest import Site
from tests.store.words import ANN, OPERATOR


async def test_the_way_of_letters_is_tried_without_sending_one(site: Site) -> None:
    told = [each.what for each in await site.found() if each.level is Level.OK]
    assert any(what.startswith("letters by 127.0.0.1:") for what in told)
    verbs = {line.split(b" ")[0].upper() for line in site.heard["notify.relay"]}
    assert verbs == {b"EHLO", b"QUIT"}


async def test_a_relay_that_lets_us_not_in_is_found(site: Site, tmp_path: Path) -> None:
    (tmp_path / "etc" / "secret").write_text("not this")
    (tmp_path / "etc" / "secret").chmod(0o600)
    site.relay += 'user = "ann@example.org"\nsecret_file = "secret"\n'
    (found,) = await site.worst()
    assert (found.level, "it said 535" in found.what) == (Level.FAIL, True)
    assert "five days" in found.remedy


async def test_a_secret_that_others_may_read_is_found(site: Site, tmp_path: Path) -> None:
    (tmp_path / "etc" / "secret").write_text("secret")
    (tmp_path / "etc" / "secret").chmod(0o644)
    site.relay += 'user = "ann@example.org"\nsecret_file = "secret"\n'
    assert [each.what for each in await site.worst()] == ["notify.relay.secret_file may be read by others"]


async def test_a_secret_that_is_not_there_is_found(site: Site) -> None:
    site.relay += 'user = "ann@example.org"\nsecret_file = "secret"\n'
    (found,) = await site.worst()
    assert (found.what, "notify.relay.secret_file" in found.remedy) == ("letters", True)


async def test_letters_that_wait_are_found_with_the_relays_answer(site: Site, tmp_path: Path) -> None:
    await site.found()
    store = await Store.open(
        f"sqlite:///{tmp_path}/records/mailguard.db", keyring.load(tmp_path / "keys" / "keys.toml")
    )
    try:
        await store.accounts.add(ANN, actor=OPERATOR)
        await store.accounts.suspend(ANN, actor=OPERATOR)
        letter = await store.notices.claim("desk@office.example")
        assert letter is not None
        await store.notices.failed(letter, "451 later")
    finally:
        await store.close()
    assert [each.what for each in await site.worst()] == ["letters wait to be sent: 451 later"]


@pytest.mark.parametrize(
    ("sender", "organisation", "relay", "said"),
    [
        ("", "", False, "notify.from is empty"),
        ("security@example.org", "", False, "no master login to send letters by"),
        ("security@example.org", "", True, "notify.organisation is empty"),
    ],
)
async def test_who_is_told_nothing_is_said(site: Site, sender: str, organisation: str, relay: bool, said: str) -> None:
    site.changes |= {"notify.from": sender, "notify.organisation": organisation}
    site.relay = site.relay if relay else ""
    (found,) = await site.worst()
    assert (found.level, said in found.what) == (Level.WARN, True)
