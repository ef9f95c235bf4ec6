"""Links of authenticators that exist already."""

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth import otpauth, totp
from mailguard.config.choices import CodeWindow
from mailguard.secret import Secret

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def read(link: str) -> otpauth.Imported:
    return otpauth.read(Secret(link.encode()))


def test_a_link_that_says_the_least_is_of_the_usual_kind() -> None:
    found = read(f"otpauth://totp/Example:ann@example.org?secret={SEED}&issuer=Example\n")
    assert (found.seed, found.digits, found.algorithm) == (Secret(SEED.encode()), 6, "SHA1")
    assert found.label == "ann@example.org"


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA512"])
@pytest.mark.parametrize("digits", [6, 8])
def test_what_another_program_made_shows_the_same_codes_here(algorithm: str, digits: int) -> None:
    theirs = pyotp.TOTP(SEED, digits=digits, digest=totp.ALGORITHMS[algorithm])
    found = read(theirs.provisioning_uri(name="ann", issuer_name="Shop"))
    device = found.device()
    assert (device.digits, device.algorithm) == (digits, algorithm)
    assert totp.step_of(device, theirs.at(59), 59.0, CodeWindow.NONE) == 1


@pytest.mark.parametrize(
    ("written", "algorithm"),
    [("sha1", "SHA1"), ("SHA-256", "SHA256"), ("HmacSHA512", "SHA512"), ("HMAC-SHA-1", "SHA1")],
)
def test_algorithms_go_by_many_spellings(written: str, algorithm: str) -> None:
    assert read(f"otpauth://totp/ann?secret={SEED}&algorithm={written}").algorithm == algorithm


@pytest.mark.parametrize("written", [SEED.lower(), "JBSW%20Y3DP-EHPK3PXPJBSWY3DPEHPK3PXP", SEED[:26] + "%3D%3D"])
def test_a_seed_may_be_spaced_in_lower_case_and_padded(written: str) -> None:
    seed = read(f"otpauth://totp/?secret={written}").seed.reveal().decode()
    assert seed.startswith(SEED[:26][:25])
    assert len(seed) % 8 == 0


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("", "begins with otpauth"),
        ("https://totp/ann?secret=" + SEED, "begins with otpauth"),
        ("otpauth://totp/änn?secret=" + SEED, "begins with otpauth"),
        ("otpauth://[totp/ann?secret=" + SEED, "begins with otpauth"),
        (f"otpauth://totp/{'a' * 2048}?secret=" + SEED, "begins with otpauth"),
        ("otpauth://totp/ann?" + "a=1&" * 30, "begins with otpauth"),
        ("otpauth://hotp/ann?counter=1&secret=" + SEED, "hotp"),
        (f"otpauth://totp/ann?secret={SEED}&secret={SEED}", "twice"),
        ("otpauth://totp/ann", "no seed that can be read|0 bits"),
        ("otpauth://totp/ann?secret=1189", "no seed that can be read"),
        ("otpauth://totp/ann?secret=%B6DPEHPKPJBSWEHHPE", "no seed that can be read"),
        ("otpauth://totp/ann?secret=JBSWY3DPEHPK3PXP", "80 bits.*112.*enrol a new one"),
        (f"otpauth://totp/ann?secret={SEED * 8}", "1280 bits"),
        (f"otpauth://totp/ann?secret={SEED}&digits=7", "six nor eight"),
        (f"otpauth://totp/ann?secret={SEED}&digits=x", "six nor eight"),
        (f"otpauth://totp/ann?secret={SEED}&period=60", "30 seconds"),
        (f"otpauth://totp/ann?secret={SEED}&algorithm=MD5", "SHA1, SHA256, SHA512"),
    ],
)
def test_what_is_refused_says_why_and_shows_no_seed(link: str, why: str) -> None:
    with pytest.raises(otpauth.LinkRefused, match=why) as refused:
        read(link)
    assert "JBSW" not in str(refused.value)
    assert refused.value.__cause__ is None


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: f"otpauth://totp/{text}".encode()))
def test_no_text_brings_it_down(typed: bytes) -> None:
    try:
        otpauth.read(Secret(typed))
    except otpauth.LinkRefused:
        return
