"""`mailguard demo` as somebody meets it who tries it out: started, read, used by what it printed, ended."""

import asyncio
import imaplib
import os
import re
import shutil
import signal
import smtplib
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pyotp
import pytest

from tests.e2e.surfing import browser_at
from tests.web.conftest import sign_in

DEMO = [sys.executable, "-m", "mailguard", "demo"]


@dataclass(frozen=True)
class Running:
    """A demo that has printed its page."""

    process: subprocess.Popen[str]
    page: str
    rest: list[str]  # lines after it, as they come

    def found(self, pattern: str) -> str:
        match = re.search(pattern, self.page, re.MULTILINE)
        assert match, f"{pattern} is not in\n{self.page}"
        return match[1]

    @property
    def address(self) -> str:
        return self.found(r"Address +(\S+)")

    @property
    def app_password(self) -> str:
        return self.found(r"App password +(\S+)")

    @property
    def folder(self) -> Path:
        return Path(self.found(r"^  cd (\S+)"))

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.folder / "ca.pem")

    def typed(self) -> str:
        """Password and the code of this moment, as the last line of its kind has it."""
        return str(re.findall(r"type (\S+)", "".join([self.page, *self.rest]))[-1])

    def imap(self) -> imaplib.IMAP4_SSL:
        port = int(self.found(r"Incoming +IMAP +localhost +(\d+)"))
        return imaplib.IMAP4_SSL("localhost", port, ssl_context=self.context, timeout=20)


def start(*options: str, **environment: str) -> Running:
    """Start a demo and read until it shows the first code."""
    process = subprocess.Popen(
        [*DEMO, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        text=True,
    )
    assert process.stdout is not None
    page = ""
    for line in process.stdout:
        page += line
        if line.startswith("  Code "):
            break
    else:
        pytest.fail(f"the demo ended before it was ready:\n{page}")
    return Running(process, page, [])


@contextmanager
def running() -> Iterator[Running]:
    """A demo that is ended by Ctrl-C."""
    demo = start("--for", "100s")
    stdout = demo.process.stdout
    assert stdout is not None
    reader = threading.Thread(target=lambda: demo.rest.extend(stdout))
    reader.start()
    try:
        yield demo
    finally:
        demo.process.send_signal(signal.SIGINT)
        code = demo.process.wait(30)
        reader.join()
        stdout.close()
    assert code == 0, "".join(demo.rest)
    assert not demo.folder.exists()


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    with running() as demo:
        yield demo


def subjects(imap: imaplib.IMAP4_SSL) -> list[str]:
    imap.select(readonly=True)
    _, found = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return [part[1].decode().strip().removeprefix("Subject: ") for part in found if isinstance(part, tuple)]


def test_a_letter_sent_through_its_submission_port_shows_up_over_its_imap_port(demo: Running) -> None:
    letter = EmailMessage()
    letter["Subject"] = "through both doors"
    letter["From"] = letter["To"] = demo.address
    letter.set_content("Sent with the app password.\n")
    port = int(demo.found(r"Outgoing +SMTP +localhost +(\d+)"))
    with smtplib.SMTP_SSL("localhost", port, context=demo.context, timeout=20) as smtp:
        smtp.login(demo.address, demo.app_password)
        smtp.send_message(letter)
    with demo.imap() as imap:
        imap.login(demo.address, demo.typed())
        assert "through both doors" in subjects(imap)


def test_the_starttls_doors_lead_to_the_same_mailbox(demo: Running) -> None:
    imap_port, smtp_port = (
        int(demo.found(rf"STARTTLS +{line}")) for line in (r"IMAP (\d+)", r"IMAP \d+ and SMTP (\d+)")
    )
    with imaplib.IMAP4("localhost", imap_port, timeout=20) as imap:
        imap.starttls(demo.context)
        imap.login(demo.address, demo.app_password)
        imap.select(readonly=True)
    with smtplib.SMTP("localhost", smtp_port, timeout=20) as smtp:
        smtp.starttls(context=demo.context)
        smtp.login(demo.address, demo.app_password)


def test_the_bare_password_does_not_get_in(demo: Running) -> None:
    with demo.imap() as imap, pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        imap.login(demo.address, demo.found(r"Password +(\S+)"))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_lines_to_paste_do_what_they_say() -> None:
    with running() as demo:
        paste(demo)


def paste(demo: Running) -> None:
    pasted = demo.page.split("IN A SECOND TERMINAL", 1)[1].split("\n", 1)[1].split("  ─", 1)[0]
    pasted = pasted.replace("--all", "--all --yes").replace("curl ", "curl --silent --show-error --max-time 20 ")
    typed = demo.typed()
    pasted = pasted.replace(f"{typed[:-6]}123456", typed)
    imap = demo.imap()
    imap.login(demo.address, demo.app_password)
    done = subprocess.run(["sh", "-e", "-c", pasted], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Subject: Welcome" in done.stdout
    assert "app-password-revoked" in done.stdout
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        imap.noop()  # the lines have revoked its app password
    imap.shutdown()


def test_it_ends_by_itself_and_leaves_nothing_behind() -> None:
    demo = start(DEMO_FOR="1s")
    rest, _ = demo.process.communicate(timeout=30)
    assert demo.process.returncode == 0, rest
    assert "over" in rest
    assert not demo.folder.exists()


async def test_ann_signs_in_at_the_portal_with_password_and_code() -> None:
    demo = await asyncio.to_thread(start, "--for", "100s")
    try:
        assert demo.process.stdout is not None
        port = int(demo.found(r"https://localhost:(\d+)"))
        password = demo.found(r"Password +(\S+)")
        code = pyotp.TOTP(demo.found(r"Key +(.*)").replace(" ", "")).now()
        ann = browser_at(port, demo.context, name="localhost")
        page = await sign_in(ann, code, name=demo.address, password=password)
        assert "__Host-mailguard" in ann.cookies, page.text
    finally:
        demo.process.send_signal(signal.SIGINT)
        await asyncio.to_thread(demo.process.communicate)
