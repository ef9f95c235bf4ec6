import base64
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from mailguard.auth import totp
from mailguard.auth.accounts import AccountName, TotpDevice
from mailguard.config.choices import CodeWindow
from mailguard.secret import Secret

ANN = AccountName("ann@example.org")


def device(seed: bytes = b"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", digits: int = 8, algorithm: str = "SHA1") -> TotpDevice:
    return TotpDevice("d", "a", "phone", Secret(seed), digits=digits, algorithm=algorithm)


SEEDS = {
    "SHA1": base64.b32encode(b"12345678901234567890"),
    "SHA256": base64.b32encode(b"12345678901234567890123456789012"),
    "SHA512": base64.b32encode((b"1234567890" * 7)[:64]),
}


@pytest.mark.parametrize(
    ("now", "algorithm", "code"),
    [
        (59, "SHA1", "94287082"),
        (59, "SHA256", "46119246"),
        (59, "SHA512", "90693936"),
        (1111111109, "SHA1", "07081804"),
        (1111111111, "SHA256", "67062674"),
        (20000000000, "SHA512", "47863826"),
    ],
)
def test_the_vectors_of_rfc_6238(now: int, algorithm: str, code: str) -> None:
    assert totp.step_of(device(SEEDS[algorithm], algorithm=algorithm), code, now, CodeWindow.NONE) == now // 30


@pytest.mark.parametrize(
    ("window", "offsets"), [(CodeWindow.NONE, {0}), (CodeWindow.PREVIOUS, {0, -1}), (CodeWindow.BOTH, {0, -1, 1})]
)
def test_the_window_is_what_the_policy_says(window: CodeWindow, offsets: set[int]) -> None:
    now, current = 59.0, 1
    codes = {offset: code_at(device(), current + offset) for offset in range(-1, 4)}
    passed = {offset for offset, code in codes.items() if totp.step_of(device(), code, now, window) is not None}
    assert passed == offsets
    for offset in offsets:
        assert totp.step_of(device(), codes[offset], now, window) == current + offset


def code_at(of: TotpDevice, step: int) -> str:
    import pyotp

    return pyotp.HOTP(of.seed.reveal().decode(), digits=of.digits).at(step)


@pytest.mark.parametrize("code", ["", "9428708", "942870820", "９４２８７０８２", "9428708 ", "9428708a", "+4287082"])
def test_only_ascii_digits_of_the_right_number_are_a_code(code: str) -> None:
    assert totp.step_of(device(), code, 59, CodeWindow.BOTH) is None


def test_a_new_seed_has_160_bits() -> None:
    seeds = {totp.new_seed().reveal() for _ in range(20)}
    assert len(seeds) == 20
    assert {len(base64.b32decode(seed)) for seed in seeds} == {20}


def test_the_link_says_everything_an_app_needs() -> None:
    uri = urlsplit(totp.provisioning_uri(device(algorithm="SHA256"), ANN, "Example Mail"))
    query = parse_qs(uri.query)
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert "ann%40example.org" in uri.path
    assert query["secret"] == ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]
    assert query["issuer"] == ["Example Mail"]
    assert (query["digits"], query["algorithm"]) == (["8"], ["SHA256"])


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        (device(), True),
        (device(digits=6), True),  # the end of the same code
        (device(base64.b32encode(b"12345678901234567890" + bytes(5))), True),  # HMAC pads a key with zeros
        (device(base64.b32encode(b"12345678901234567891")), False),
        (device(algorithm="SHA256"), False),
    ],
)
def test_authenticators_of_one_seed_are_alike(other: TotpDevice, alike: bool) -> None:
    assert totp.alike(device(), other) is alike
    if alike:
        code = pyotp.TOTP(device().seed.reveal().decode(), digits=8).at(59)
        assert totp.step_of(other, code[-other.digits :], 59.0, CodeWindow.NONE) == 1


@pytest.mark.parametrize(("behind", "said"), [(-600, -600), (-90, -90), (240, 240), (660, None)])
def test_a_clock_that_is_off_by_minutes_is_recognised(behind: int, said: int | None) -> None:
    now = 1_700_000_010
    code = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", digits=8).at(now + behind)
    assert totp.drift_of(device(), code, now) == said
