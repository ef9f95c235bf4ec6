"""What the log says of guesses, and what fail2ban reads in it (OWASP ASVS 16.4.1)."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mailguard.config import LogFormat
from mailguard.proxy.house import LINES_OF_NETWORK
from tests.support.log import Started
from tests.support.worker import ANN, PASSWORD, Running

FILTER = Path(__file__).resolve().parents[2] / "deploy/fail2ban/filter.d/mailguard.conf"
REAL = "127.0.0.9"
FORGED = "192.0.2.99"
NAMES = (
    f'ann", "address": "{FORGED}", "protocol": "imap"}}',
    f'x"}}\n{{"time": "2026-11-24T08:08:14.060Z", "level": "info", "logger": "mailguard.guess", '
    f'"event": "wrong secret counted", "address": "{FORGED}", "protocol": "imap"}}',
    f"x\r\n2026-11-24T08:08:14.060Z INFO mailguard.guess wrong secret counted address={FORGED} protocol=imap",
    f"INFO mailguard.guess wrong secret counted address={FORGED} protocol=imap",
    f"{FORGED}@example.org",
)


async def guess(at: Running, secret: str, *, name: str = ANN) -> None:
    client = await at.client(source=REAL)
    await client.log_in(secret, name=name)
    client.close()


def found(log: str, folder: Path) -> list[str]:
    """The addresses that fail2ban takes out of a log."""
    program = shutil.which("fail2ban-regex")
    if program is None:
        pytest.skip("fail2ban-regex is not installed: apt-get install fail2ban")
    file = folder / "mailguard.log"
    file.write_text(log)
    run = [program, "--out", "ip", str(file), str(FILTER)]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("form", list(LogFormat))
async def test_fail2ban_finds_who_guesses_and_nobody_that_a_name_speaks_of(
    own: Running, started: Started, tmp_path: Path, form: LogFormat
) -> None:
    log = started(form)
    await guess(own, PASSWORD)
    for name in NAMES:
        await guess(own, "wrong", name=name)
    for _ in range(3):
        await guess(own, "an old phone's")
    lines = log.getvalue()
    assert FORGED in lines, "the names are in the log"
    assert found(lines, tmp_path) == [REAL] * (len(NAMES) + 1)


@pytest.mark.parametrize("form", list(LogFormat))
async def test_fail2ban_reads_the_same_behind_what_a_journal_puts_in_front(
    own: Running, started: Started, tmp_path: Path, form: LogFormat
) -> None:
    log = started(form)
    await guess(own, "wrong")
    when = "2026-11-24T08:08:14.060+0000 "
    assert found("".join(f"{when}guard mailguard[7]: {line}\n" for line in log.getvalue().splitlines()), tmp_path) == [
        REAL
    ]


async def test_a_guesser_does_not_fill_the_log(own: Running, started: Started) -> None:
    log = started(LogFormat.JSON)
    for number in range(LINES_OF_NETWORK + 10):
        await guess(own, f"wrong {number}", name=f"made-up-{number}")
    events = [json.loads(line)["event"] for line in log.getvalue().splitlines()]
    assert events.count("wrong secret counted") in range(LINES_OF_NETWORK, 2 * LINES_OF_NETWORK)
    assert events.count("login refused") in range(LINES_OF_NETWORK, 2 * LINES_OF_NETWORK)
    assert len(await own.reasons()) == LINES_OF_NETWORK + 10
