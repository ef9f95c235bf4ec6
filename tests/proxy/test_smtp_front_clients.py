"""What real mail programs say first, replayed; and the programs themselves where they are installed.

Thunderbird, K-9 and msmtp from their sources; Outlook and iOS are emulated, no capture of them was at hand.
"""

import asyncio
import shutil
import smtplib
import subprocess
from base64 import b64encode
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from tests.proxy.submission import GREETING, PASSED, PASSWORD, Front, Fronts, replay, scripted
from tests.support.certs import Authority

USER = "ann@example.org"
LETTER = """
    C: DATA
    S: 354 End data with <CR><LF>.<CR><LF>
    C: Subject: hi
    C:
    C: ..dot
    C: .
    S: 250 2.0.0 Delivered
    C: QUIT
    S: 221 Bye"""
OFFER = """
    S: 250-mail.example.org
    S: 250-PIPELINING
    S: 250-SIZE 52428800
    S: 250-8BITMIME
    S: 250-SMTPUTF8"""
THUNDERBIRD = f"""
    S: 220 mail.example.org ESMTP mailguard
    C: EHLO [192.168.178.20]{OFFER}
    S: 250 AUTH PLAIN LOGIN
    C: AUTH PLAIN {{plain}}
    S: 235 2.7.0 Authentication successful
    C: MAIL FROM:<ann@example.org> BODY=8BITMIME SIZE=321
    S: 250 OK
    C: RCPT TO:<bob@example.org>
    S: 250 OK{LETTER}"""
THUNDERBIRD_WITH_A_WRONG_PASSWORD = f"""
    S: 220 mail.example.org ESMTP mailguard
    C: EHLO [192.168.178.20]{OFFER}
    S: 250 AUTH PLAIN LOGIN
    C: AUTH PLAIN {{wrong}}
    S: {{failed}}
    C: AUTH LOGIN
    S: 334 VXNlcm5hbWU6
    C: YW5uQGV4YW1wbGUub3Jn
    S: 334 UGFzc3dvcmQ6
    C: d3Jvbmc=
    S: {{failed}}
    C: QUIT
    S: 221 2.0.0 Bye"""
K9 = f"""
    S: 220 mail.example.org ESMTP mailguard
    C: EHLO [127.0.0.1]{OFFER}
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 2.0.0 Ready to start TLS
    ! tls
    C: EHLO [127.0.0.1]{OFFER}
    S: 250 AUTH PLAIN LOGIN
    C: AUTH PLAIN {{plain}}
    S: 235 2.7.0 Authentication successful
    C: MAIL FROM:<ann@example.org> BODY=8BITMIME
    C: RCPT TO:<bob@example.org>
    S: 250 OK
    S: 250 OK{LETTER}"""
MSMTP = f"""
    S: 220 mail.example.org ESMTP mailguard
    C: EHLO localhost{OFFER}
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 2.0.0 Ready to start TLS
    ! tls
    C: EHLO localhost{OFFER}
    S: 250 AUTH PLAIN LOGIN
    C: AUTH PLAIN {{plain}}
    S: 235 2.7.0 Authentication successful
    C: MAIL FROM:<ann@example.org>
    C: RCPT TO:<bob@example.org>
    C: DATA
    S: 250 OK
    S: 250 OK
    S: 354 End data with <CR><LF>.<CR><LF>
    C: Subject: hi
    C:
    C: ..dot
    C: .
    S: 250 2.0.0 Delivered
    C: QUIT
    S: 221 Bye"""
OUTLOOK = f"""
    S: 220 mail.example.org ESMTP mailguard
    C: EHLO DESKTOP-4F7K2Q1{OFFER}
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 2.0.0 Ready to start TLS
    ! tls
    C: EHLO DESKTOP-4F7K2Q1{OFFER}
    S: 250 AUTH PLAIN LOGIN
    C: AUTH LOGIN
    S: 334 VXNlcm5hbWU6
    C: {b64encode(USER.encode()).decode()}
    S: 334 UGFzc3dvcmQ6
    C: {b64encode(PASSWORD).decode()}
    S: 235 2.7.0 Authentication successful
    C: MAIL FROM: <ann@example.org>
    S: 250 OK
    C: RCPT TO: <bob@example.org>
    S: 250 OK{LETTER}"""
IOS = f"""
    S: 220 mail.example.org ESMTP mailguard
    C: EHLO smtpclient.apple{OFFER}
    S: 250 AUTH PLAIN LOGIN
    C: AUTH PLAIN
    S: 334\x20
    C: {{plain}}
    S: 235 2.7.0 Authentication successful
    C: MAIL FROM:<ann@example.org> SIZE=321
    S: 250 OK
    C: RCPT TO:<bob@example.org>
    S: 250 OK{LETTER}"""


# As one write the letter comes as trailing bytes behind the login; byte by byte it does so in pieces.
@pytest.mark.parametrize("step", [1, 13, 100_000])
@pytest.mark.parametrize(
    ("starttls", "script", "letters"),
    [
        pytest.param(False, THUNDERBIRD, 1, id="thunderbird"),
        pytest.param(False, THUNDERBIRD_WITH_A_WRONG_PASSWORD, 0, id="thunderbird-wrong-password"),
        pytest.param(True, K9, 1, id="k9"),
        pytest.param(True, MSMTP, 1, id="msmtp"),
        pytest.param(True, OUTLOOK, 1, id="outlook-emulated"),
        pytest.param(False, IOS, 1, id="ios-emulated"),
    ],
)
async def test_first_lines(fronts: Fronts, starttls: bool, script: str, letters: int, step: int) -> None:
    async with fronts.front(starttls=starttls) as front:
        expected, heard = await replay(front, scripted(script), step)
        await front.settled()
    assert heard == expected
    assert fronts.store.letters.qsize() == letters
    if letters:
        letter = fronts.store.letters.get_nowait()
        assert (letter.sender, letter.recipients) == (USER, ["bob@example.org"])
        assert letter.content == b"Subject: hi\r\n\r\n.dot\r\n"


async def test_thunderbird_repeats_one_wrong_string(fronts: Fronts) -> None:
    async with fronts.front() as front:
        await replay(front, scripted(THUNDERBIRD_WITH_A_WRONG_PASSWORD), 100_000)
        assert [(attempt[1], attempt[2]) for attempt in front.gate.attempts] == [
            (b"wrong", "PLAIN"),
            (b"wrong", "LOGIN"),
        ]


async def test_ios_probes_the_starttls_port_with_tls_and_then_comes_properly(fronts: Fronts) -> None:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2
    async with fronts.front(starttls=True) as front:
        for step in (len(hello), 1):
            async with front.client() as client:
                for at in range(0, len(hello), step):
                    client.send(hello[at : at + step])
                assert await client.rest() in (GREETING, b"")
        expected, heard = await replay(front, scripted(K9), 100_000)
        assert heard == expected
        assert front.gate.ended == ["began TLS on a clear port"] * 2


def letter() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = USER, "bob@example.org", "Grüße"
    message.set_content("Zeile\n.\n.punkt\n" * 100)
    return message


@pytest.mark.parametrize("starttls", [True, False])
@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login"])
async def test_smtplib(fronts: Fronts, starttls: bool, initial: bool, mechanism: str) -> None:
    def send(front: Front) -> None:
        with (
            smtplib.SMTP("localhost", front.port)
            if starttls
            else smtplib.SMTP_SSL("localhost", front.port, context=front.context)
        ) as smtp:
            if starttls:
                smtp.starttls(context=front.context)
            smtp.ehlo()
            smtp.user, smtp.password = USER, "wrong"
            name = mechanism.removeprefix("auth_").upper()
            with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                smtp.auth(name, getattr(smtp, mechanism), initial_response_ok=initial)
            assert refused.value.smtp_code == 535
            smtp.password = PASSWORD.decode()
            code, text = smtp.auth(name, getattr(smtp, mechanism), initial_response_ok=initial)
            assert b"%d %b\r\n" % (code, text) == PASSED
            smtp.send_message(letter())

    async with fronts.front(starttls=starttls) as front:
        await asyncio.to_thread(send, front)
        await front.settled()
        assert (await fronts.store.letters.get()).sender == USER


def programs(front: Front, ca: Path, folder: Path, password: str) -> dict[str, Sequence[str]]:
    """How each program is told to send the letter in `folder`."""
    scheme, on = ("smtp", "on") if front.starttls else ("smtps", "off")
    where = f"localhost:{front.port}"
    return {
        "curl": [
            "curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", str(ca), "--user", f"{USER}:{password}",
            "--mail-from", USER, "--mail-rcpt", "bob@example.org", "--upload-file", str(folder / "letter"),
            f"{scheme}://{where}/client.example",
        ],
        "msmtp": [
            "msmtp", "--file=/dev/null", "--host=localhost", f"--port={front.port}", "--auth=plain", f"--user={USER}",
            f"--passwordeval=printf '%s' '{password}'", "--tls=on", f"--tls-starttls={on}", f"--tls-trust-file={ca}",
            f"--from={USER}", "bob@example.org",
        ],
        "swaks": [
            "swaks", "--server", where, "--tls" if front.starttls else "--tls-on-connect", "--auth", "LOGIN",
            "--auth-user", USER, "--auth-password", password, "--from", USER, "--to", "bob@example.org",
            "--helo", "client.example", "--silent", "2",
        ],
    }  # fmt: skip


@pytest.mark.parametrize("starttls", [True, False])
@pytest.mark.parametrize("program", ["curl", "msmtp", "swaks"])
async def test_programs(fronts: Fronts, authority: Authority, tmp_path: Path, program: str, starttls: bool) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    (tmp_path / "letter").write_bytes(letter().as_bytes(policy=SMTP))

    def run(front: Front, password: str) -> subprocess.CompletedProcess[bytes]:
        command = programs(front, authority.ca, tmp_path, password)[program]
        with (tmp_path / "letter").open("rb") as said:
            return subprocess.run(command, stdin=said, capture_output=True, timeout=30, check=False)

    async with fronts.front(starttls=starttls) as front:
        refused = await asyncio.to_thread(run, front, "wrong")
        if b"Net::SSLeay" in refused.stdout + refused.stderr:
            pytest.skip("swaks cannot speak TLS here; install libnet-ssleay-perl")
        assert refused.returncode != 0
        assert fronts.store.letters.empty()
        sent = await asyncio.to_thread(run, front, PASSWORD.decode())
        assert sent.returncode == 0, sent.stdout + sent.stderr
        await front.settled()
        assert (await fronts.store.letters.get()).sender == USER
