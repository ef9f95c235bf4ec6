"""How many wrong secrets are too many, and what is counted as one.

A *bucket* is an allowance of distinct wrong secrets. One attempt stakes a place in three of them before anything is
verified, so that parallel connections cannot guess more than sequential ones:

    pair      account × network   the ordinary guesser, and the phone that kept an old password
    account   account             many networks guessing at one account (NIST SP 800-63B-4 3.2.2: at most 100 in a row)
    network   network             one network guessing at many accounts

The same wrong secret counts once a bucket however often it comes: old clients repeat a stale password for ever. Where
only its code was wrong it is not looked at again either: ten strings, repeated, would guess at every step to come.
It is recognised by a *mark*, 24 bits of a keyed hash: enough to tell repeats apart, too few to confirm a guess.
Of the account's allowance some is kept for networks where it was granted lately: strangers do not shut its owner out.
Valid app passwords and grants never come here.
"""

import secrets

from mailguard.auth.accounts import AccountName
from mailguard.auth.ports import Bucket, Place, Question, Questions, Reservation
from mailguard.keyring import Keyring, Purpose
from mailguard.secret import Secret

PAIR_LIMIT = 10
PAIR_WINDOW = 15 * 60.0
ACCOUNT_LIMIT = 100
ACCOUNT_WINDOW = 24 * 3600.0
ACCOUNT_KEPT = 10
NETWORK_LIMIT = 200
NETWORK_WINDOW = 15 * 60.0

KEY_BYTES = 16
MARK_BYTES = 3


def reservation(
    keyring: Keyring, name: AccountName, network: str, secret: Secret, questions: Questions | None = None
) -> Reservation:
    """What an attempt at `name` from `network` stakes. Unknown names stake alike, so the throttle is no oracle.

    `questions` is the allowance where the identity source is going to be asked.
    """
    account, where, said = name.encode(), network.encode(), secret.reveal()
    # One mark for all buckets: three different ones were 72 bits together, and who stole database and key file would
    # guess the password by them.
    mark = _digest(keyring, Purpose.MARK, account, said)[:MARK_BYTES]

    def bucket(parts: tuple[bytes, ...], limit: int, window: float, *, resets: bool, kept: int = 0) -> Bucket:
        key = _digest(keyring, Purpose.BUCKET, *parts)[:KEY_BYTES]
        return Bucket(key, mark, limit, window, resets, kept)

    asked = place(keyring, name, network).network
    return Reservation(
        owner=owner_key(keyring, name),
        question=None if questions is None else Question(secrets.token_hex(8), asked, questions),
        buckets=(
            bucket((b"pair", account, where), PAIR_LIMIT, PAIR_WINDOW, resets=True),
            bucket((b"account", account), ACCOUNT_LIMIT, ACCOUNT_WINDOW, resets=True, kept=ACCOUNT_KEPT),
            bucket((b"network", where), NETWORK_LIMIT, NETWORK_WINDOW, resets=False),
        ),
    )


def place(keyring: Keyring, name: AccountName, network: str, private: str = "") -> Place:
    """What a network is known by, once `name` was granted there. `private` as of Place."""
    known = _digest(keyring, Purpose.BUCKET, b"known", name.encode(), network.encode())[:KEY_BYTES]
    return Place(owner_key(keyring, name), known, private)


def owner_key(keyring: Keyring, name: AccountName) -> bytes:
    """What `account unlock` finds an account's buckets by."""
    return _digest(keyring, Purpose.BUCKET, b"owner", name.encode())[:KEY_BYTES]


def _digest(keyring: Keyring, purpose: Purpose, *parts: bytes) -> bytes:
    """A keyed hash over parts that cannot be shifted into one another: each is preceded by its length."""
    return keyring.digest(purpose, b"".join(len(part).to_bytes(4, "big") + part for part in parts))
