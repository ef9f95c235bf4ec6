"""The vault: a store password, sealed to one app password so that nothing but that app password opens it.

Where legs open with the user's own password, an app password must bring that password along. The app password itself
is the key: HKDF over it gives an X25519 private key, of which the public half is kept. Whoever knows the store password
(its owner, at a sign-in) can seal it anew to every device of the account; only the device can open it. Neither the
database nor the key file holds anything to open it with (SECURITY.md, promise 7).

Sealed form: an ephemeral public key (32 bytes), then AES-256-GCM under a key derived from both, bound to the row. The
key is used once, so its nonce is zero (as in RFC 9180 §5.2, sequence number 0). What is sealed is filled up to blocks
of 128 bytes (ISO/IEC 7816-4: 80, then zeros): a guesser would begin with the short passwords.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailguard.secret import Secret

KEY_BYTES = 32
_BLOCK = 128
_NONCE = bytes(12)


def public_half(app_password: Secret, row_id: str) -> bytes:
    """What a store password is sealed to: 32 bytes, kept in the app password's row."""
    return _raw(_private_half(app_password, row_id).public_key())


def seal(public: bytes, row_id: str, account_id: str, password: Secret) -> bytes:
    """Seal a store password to an app password's public half, for this row of this account alone."""
    ephemeral = X25519PrivateKey.generate()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
    sender = _raw(ephemeral.public_key())
    filled = password.reveal() + b"\x80"
    filled += bytes(-len(filled) % _BLOCK)
    return sender + AESGCM(_key(shared, sender, public)).encrypt(_NONCE, filled, _place(row_id, account_id))


def unseal(app_password: Secret, row_id: str, account_id: str, sealed: bytes) -> Secret | None:
    """The store password; None where the entry was altered or made for another row, account or app password."""
    private = _private_half(app_password, row_id)
    sender, content = sealed[:KEY_BYTES], sealed[KEY_BYTES:]
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(sender))
        key = _key(shared, sender, _raw(private.public_key()))
        filled = AESGCM(key).decrypt(_NONCE, content, _place(row_id, account_id))
    except (InvalidTag, ValueError):  # ValueError: cut short, or a point of low order
        return None
    return Secret(filled[: filled.rindex(b"\x80")])


def _private_half(app_password: Secret, row_id: str) -> X25519PrivateKey:
    derived = HKDF(hashes.SHA256(), KEY_BYTES, salt=row_id.encode(), info=b"mailguard vault key")
    return X25519PrivateKey.from_private_bytes(derived.derive(app_password.reveal()))


def _key(shared: bytes, sender: bytes, receiver: bytes) -> bytes:
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=sender + receiver, info=b"mailguard vault seal").derive(shared)


def _place(row_id: str, account_id: str) -> bytes:
    return b"\0".join((b"vault", row_id.encode(), account_id.encode()))


def _raw(key: X25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
