"""What the demo prints: how to get in, at most 80 columns wide but for the otpauth link, which must stay whole."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import segno

from mailguard.demo.folder import Ports

_RULE = "  " + "─" * 78
_BRIGHT_ON_BLACK, _PLAIN = "\x1b[97;40m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Access:
    """What its owner knows and holds. Shown once, on purpose: the account dies with the demo."""

    address: str
    password: str
    seed: str  # base32
    link: str  # otpauth:
    app_password: str


def sheet(access: Access, ports: Ports, folder: Path, *, colour: bool) -> str:
    """The whole page. `colour`: the QR brings its own black and white, so that it scans on any terminal."""
    user = access.address
    return f"""
  mailguard demo: the guard runs here, before a mail store of its own
{_rule("THE ACCOUNT")}

  Address        {user}
  Password       {access.password}
  App password   {access.app_password}
  Authenticator  scan this with an app on your phone, or type the key

{_qr(access.link, colour=colour)}

  Key            {_grouped(access.seed)}

{access.link}

{_rule("TWO WAYS IN")}

  At a desk      password and code in one field:   {access.password}123456
                 Each code opens the door once. Further connections with
                 the same text, from the same address, pass as well.
  On a phone     the app password alone, for as long as it is not revoked
  Never          the bare password

{_rule("THE PORTAL")}

  {ports.portal_url}
                 Sign in with address and password; the next page asks for the
                 code. Your browser warns of the certificate: see below.

{_rule("MAIL PROGRAMS")}

  {"Thunderbird":<13}  {"Protocol":<10}{"Hostname":<12}{"Port":<6}{"Security":<13}Authentication
  {"Incoming":<13}  {"IMAP":<10}{"localhost":<12}{ports.imaps:<6}{"SSL/TLS":<13}Normal password
  {"Outgoing":<13}  {"SMTP":<10}{"localhost":<12}{ports.submissions:<6}{"SSL/TLS":<13}Normal password

  {"Outlook":<13}  {"Type":<10}{"Server":<12}{"Port":<6}Encryption method
  {"Incoming":<13}  {"IMAP":<10}{"localhost":<12}{ports.imaps:<6}SSL/TLS
  {"Outgoing":<13}  {"SMTP":<10}{"localhost":<12}{ports.submission:<6}STARTTLS

  User name      {user}, for both directions
  Password       the app password, for both directions
  Certificate    made for this demo; have the program trust its authority:
                 {folder / "ca.pem"}
  STARTTLS       IMAP {ports.imap} and SMTP {ports.submission} lead to the same mailbox

{_rule("TO TRY, IN A SECOND TERMINAL")}

  cd {folder}

  # Read a letter with password and code (put the code from below for 123456).
  # Leave the code away, and the guard refuses, after three seconds.
  curl --cacert ca.pem -u {user}:{access.password}123456 \\
    'imaps://localhost:{ports.imaps}/INBOX;MAILINDEX=1'

  # Send yourself a letter with the app password: it arrives in the inbox.
  printf 'Subject: Hello\\r\\n\\r\\nThrough the guard.\\r\\n' |
  curl --cacert ca.pem -T - smtps://localhost:{ports.submissions} \\
    --mail-from {user} --mail-rcpt {user} \\
    -u {user}:{access.app_password}

  # See who is connected, revoke the app password, read the record.
  ./mailguard session list
  ./mailguard app-password revoke {user} --all
  ./mailguard audit list
{_RULE}
"""


def _rule(title: str) -> str:
    return f"  ── {title} " + "─" * (74 - len(title))


def _qr(link: str, *, colour: bool) -> str:
    drawn = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(drawn, border=2, compact=True)
    lines = drawn.getvalue().splitlines()
    if colour:
        lines = [f"{_BRIGHT_ON_BLACK}{line}{_PLAIN}" for line in lines]
    return "\n".join(f"                 {line}" for line in lines)


def _grouped(seed: str) -> str:
    return " ".join(seed[i : i + 4] for i in range(0, len(seed), 4))
