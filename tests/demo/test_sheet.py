"""What the demo prints."""

from pathlib import Path

import pytest

from mailguard.demo.folder import Ports
from mailguard.demo.phone import Phone
from mailguard.demo.sheet import Access, sheet

ACCESS = Access(
    address="ann@demo.example",
    password="juniper-saffron-lantern",
    seed="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",  # RFC 6238, appendix B
    link="otpauth://totp/mailguard%20demo:ann%40demo.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=mailguard%20demo",
    app_password="k7mq-2xwd-abcd-efgh-ijkm-npqr-stuv",
)
PORTS = Ports(imaps=41993, imap=41143, submissions=41465, submission=41587, portal=48443)
FOLDER = Path("/tmp/mailguard-demo-abcdefgh")


def test_the_page_fits_a_narrow_terminal_but_for_the_link() -> None:
    wide = [line for line in sheet(ACCESS, PORTS, FOLDER, colour=False).splitlines() if len(line) > 80]
    assert wide == [ACCESS.link]


def test_the_page_names_everything_that_a_client_is_asked_for() -> None:
    page = sheet(ACCESS, PORTS, FOLDER, colour=False)
    for needed in (
        ACCESS.address, ACCESS.password, ACCESS.app_password, "GEZD GNBV", "41993", "41143", "41465", "41587", "https://localhost:48443",
        "SSL/TLS", "STARTTLS", "Thunderbird", "Outlook", "curl", str(FOLDER / "ca.pem"),
    ):  # fmt: skip
        assert needed in page


def test_the_qr_brings_its_own_colours_on_a_terminal_alone() -> None:
    assert "\x1b[" not in sheet(ACCESS, PORTS, FOLDER, colour=False)
    assert "\x1b[97;40m" in sheet(ACCESS, PORTS, FOLDER, colour=True)


@pytest.mark.parametrize(
    ("now", "code", "left"),
    [(59.0, "287082", 1), (1111111109.5, "081804", 1), (1234567890.0, "005924", 30), (2000000000.9, "279037", 10)],
)
def test_the_phone_shows_the_code_of_rfc_6238(now: float, code: str, left: int) -> None:
    phone = Phone(ACCESS.password, ACCESS.seed)
    assert phone.code(now) == code
    assert phone.left(now) == left
    for line in (phone.countdown(now), phone.announcement(now)):
        assert f"{ACCESS.password}{code}" in line
        assert len(line) <= 80


def test_the_bar_runs_from_full_to_its_last_piece() -> None:
    phone = Phone(ACCESS.password, ACCESS.seed)
    assert phone.countdown(60.0).count("█") == 20
    assert phone.countdown(89.0).count("█") == 1


def test_the_phone_shows_no_secret_in_its_repr() -> None:
    assert repr(Phone(ACCESS.password, ACCESS.seed)) == "Phone()"
