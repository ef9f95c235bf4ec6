"""The vault's sealing: what was sealed to an app password comes back by that one, in its place, unaltered, or not."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth import vault
from mailguard.auth.passwords import generate_app_password
from mailguard.secret import Secret

PHONE, LAPTOP = Secret(b"k7mq2xwdk7mq2xwdk7mq2xwdk7mq"), Secret(b"wdk7mq2xwdk7mq2xwdk7mq2xwdk7")
ROW, ACCOUNT = "p1", "a1"
PASSWORD = Secret(b"correct horse")
PUBLIC = vault.public_half(PHONE, ROW)

# Points whose product with any private key is zero (RFC 7748 §6.1): with one of them as sender an entry would open
# by a key that everybody knows.
LOW_ORDER = [
    bytes(32),
    bytes([1]) + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


@given(password=st.binary(min_size=1, max_size=300), row=st.text(max_size=20), account=st.text(max_size=20))
def test_what_is_sealed_comes_back(password: bytes, row: str, account: str) -> None:
    app_password = generate_app_password()
    sealed = vault.seal(vault.public_half(app_password, row), row, account, Secret(password))
    assert vault.unseal(app_password, row, account, sealed) == Secret(password)


def test_the_same_password_is_sealed_differently_each_time() -> None:
    """Else two equal entries would tell of two equal passwords."""
    one, two = (vault.seal(PUBLIC, ROW, ACCOUNT, PASSWORD) for _ in range(2))
    assert one != two
    assert one[vault.KEY_BYTES :] != two[vault.KEY_BYTES :]


@pytest.mark.parametrize("ending", [b"", b"\0", b"\x80", b"\x80\0\0"])
def test_an_entry_does_not_tell_how_long_its_password_is(ending: bytes) -> None:
    """Whoever stole the database would begin with the short ones."""
    passwords = [Secret(b"x" * length + ending) for length in (0, 1, 8, 64, 124)]
    entries = [vault.seal(PUBLIC, ROW, ACCOUNT, password) for password in passwords]
    assert len({len(entry) for entry in entries}) == 1
    assert [vault.unseal(PHONE, ROW, ACCOUNT, entry) for entry in entries] == passwords


def test_a_public_half_is_of_one_app_password_in_one_row() -> None:
    assert vault.public_half(PHONE, ROW) == PUBLIC
    assert len(PUBLIC) == vault.KEY_BYTES
    assert len({PUBLIC, vault.public_half(LAPTOP, ROW), vault.public_half(PHONE, "p2")}) == 3


@pytest.mark.parametrize(
    ("app_password", "row", "account"),
    [
        pytest.param(LAPTOP, ROW, ACCOUNT, id="another app password"),
        pytest.param(PHONE, "p2", ACCOUNT, id="another row"),
        pytest.param(PHONE, ROW, "a2", id="another account"),
        pytest.param(PHONE, "p", "1a1", id="the same letters, cut elsewhere"),
    ],
)
def test_it_opens_nowhere_else(app_password: Secret, row: str, account: str) -> None:
    sealed = vault.seal(PUBLIC, ROW, ACCOUNT, PASSWORD)
    assert vault.unseal(app_password, row, account, sealed) is None


def test_its_own_public_half_under_the_place_of_another_row_does_not_open() -> None:
    """The place is bound by the seal too, not by the key alone."""
    sealed = vault.seal(PUBLIC, "p2", ACCOUNT, PASSWORD)
    assert vault.unseal(PHONE, ROW, ACCOUNT, sealed) is None


@given(data=st.data())
def test_an_altered_one_does_not_open(data: st.DataObject) -> None:
    sealed = vault.seal(PUBLIC, ROW, ACCOUNT, PASSWORD)
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    if bit == 8 * vault.KEY_BYTES - 1:
        return  # the bit of a point that X25519 leaves out (RFC 7748 §5): asked below
    altered = bytearray(sealed)
    altered[bit // 8] ^= 1 << bit % 8
    assert vault.unseal(PHONE, ROW, ACCOUNT, bytes(altered)) is None


def test_not_even_the_bit_that_x25519_leaves_out_may_change() -> None:
    sealed = bytearray(vault.seal(PUBLIC, ROW, ACCOUNT, PASSWORD))
    sealed[vault.KEY_BYTES - 1] ^= 0x80
    assert vault.unseal(PHONE, ROW, ACCOUNT, bytes(sealed)) is None


@given(cut=st.integers(0, 200))
def test_one_cut_short_does_not_open(cut: int) -> None:
    sealed = vault.seal(PUBLIC, ROW, ACCOUNT, PASSWORD)
    if cut < len(sealed):
        assert vault.unseal(PHONE, ROW, ACCOUNT, sealed[:cut]) is None
    assert vault.unseal(PHONE, ROW, ACCOUNT, sealed + bytes(cut + 1)) is None


@given(st.binary(max_size=120))
def test_noise_does_not_open(noise: bytes) -> None:
    assert vault.unseal(PHONE, ROW, ACCOUNT, noise) is None


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
def test_a_point_of_low_order_opens_nothing_and_is_never_sealed_to(point: bytes) -> None:
    sealed = vault.seal(PUBLIC, ROW, ACCOUNT, PASSWORD)
    assert vault.unseal(PHONE, ROW, ACCOUNT, point + sealed[vault.KEY_BYTES :]) is None
    with pytest.raises(ValueError, match=r".*"):
        vault.seal(point, ROW, ACCOUNT, PASSWORD)


def test_who_seals_cannot_open() -> None:
    """The sender keeps nothing: a fresh key each time, and the public half alone decides."""
    sealed = vault.seal(PUBLIC, ROW, ACCOUNT, PASSWORD)
    assert PASSWORD.reveal() not in sealed
    stranger = X25519PrivateKey.generate().public_key().public_bytes_raw()
    assert vault.unseal(PHONE, ROW, ACCOUNT, vault.seal(stranger, ROW, ACCOUNT, PASSWORD)) is None
