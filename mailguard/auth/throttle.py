"""How many wrong secrets are too many, what is counted as one, and how long to wait for the next.

One attempt stakes a place in five *buckets* before anything is verified, so that parallel connections cannot guess more
than sequential ones:

    pair      account × network   the ordinary guesser, and whoever mistypes
    account   account             many networks guessing at one account
    network   /32 or /64          one client guessing at many accounts
    wide      /24 or /48          somebody who rents more than one address
    overall   everything          many clients guessing at many accounts

A bucket takes some for nothing. From then on it makes wait for each, 30 s at first and twice as long every time, an
hour at most (NIST SP 800-63B-4 3.2.2). It leaks: after a while one of them is forgotten. What does not leak is the
number in a row at an account, a hundred at most; then its own password opens nothing any more until somebody unlocks
the account, and app passwords and grants, which never come here, open it as before.

The same wrong secret counts once however often and from wherever it comes: old clients repeat a stale password for
ever. It is recognised by a *mark*, 24 bits of a keyed hash: enough to tell repeats apart, too few to confirm a guess.
Networks where the name was granted lately have an allowance beyond what strangers can use up.

Wrong codes after a right password have a bucket of their own besides. That it is full shows in nothing: no code is
looked at, and the answer is that to a wrong one.
"""

import math
import secrets

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Origin, Reason
from mailguard.auth.ports import Allowance, Bucket, Counts, Place, Question, Questions, Reservation, Reserved, Tally
from mailguard.keyring import Keyring, Purpose
from mailguard.secret import Secret

FIRST_WAIT = 30.0
LONGEST_WAIT = 3600.0
HOUR, DAY = 3600.0, 86400.0

ALLOWANCES = {
    # Whoever has forgotten which of their passwords it was tries a handful. Then one an hour: 40 in the first day.
    Counts.PAIR: Allowance(10, leak=HOUR, resets=True),
    # Twice that for strangers, 50 in the first day. With waits of an hour they never get ten beyond it, and the owner's
    # networks have twenty.
    Counts.ACCOUNT: Allowance(20, leak=HOUR, kept=20, resets=True, in_a_row=100, in_a_row_kept=10),
    # An office where 200 people mistype once a day: it forgets as many. Success does not empty it: a guesser owns one
    # account.
    Counts.NETWORK: Allowance(200, leak=DAY / 200, kept=100),
    # Three such offices behind one provider's block.
    Counts.WIDE: Allowance(600, leak=DAY / 600, kept=300),
    # Some thousand people on a Monday. It forgets one in two seconds, so its waits stay at the first one: longer ones
    # would be a switch by which any stranger shuts out all others.
    Counts.OVERALL: Allowance(2000, leak=2.0, kept=2000),
}
HELD = {
    Reserved.THROTTLED: Reason.THROTTLED,
    Reserved.LOCKED: Reason.LOCKED,
    Reserved.REPEATED: Reason.WRONG_REPEATED,
}
CODE_LIMIT = 5
CODE_SECONDS = 600.0  # after the last of them, so no ten minutes see more

KEY_BYTES = 16
MARK_BYTES = 3


def until(allowance: Allowance, tally: Tally, *, known_here: bool) -> float:
    """When a bucket lets the next one through, in UTC seconds; infinite where only unlocking helps."""
    if allowance.in_a_row is not None:
        most = allowance.in_a_row - (0 if known_here else allowance.in_a_row_kept)
        if tally.in_a_row >= most:
            return math.inf
    # Rounded: what leaks between two tries is no further try.
    beyond = round(tally.level) - allowance.free - (allowance.kept if known_here else 0)
    return tally.at + min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(beyond, 10)) if beyond >= 0 else 0.0


def passes(allowance: Allowance, tally: Tally, now: float, *, known_here: bool) -> bool:
    """Whether a bucket lets one more through now. A row from the future, of a clock that was set back, holds up nobody
    for longer than its own wait."""
    end = until(allowance, tally, known_here=known_here)
    return not math.isinf(end) and not abs(now - tally.at) < end - tally.at


def counted(allowance: Allowance, tally: Tally | None, now: float) -> Tally:
    """The bucket with one more."""
    if tally is None:
        return Tally(1.0, 1, now)
    left = max(0.0, tally.level - max(0.0, now - tally.at) / allowance.leak)
    return Tally(left + 1.0, tally.in_a_row + 1, now)


def with_code(tally: Tally | None, now: float) -> Tally | None:
    """The bucket for wrong codes with one more; None where it is full."""
    if tally is None or abs(now - tally.at) >= CODE_SECONDS:
        return Tally(1.0, 0, now)
    return Tally(tally.level + 1.0, 0, now) if tally.level < CODE_LIMIT else None


def reservation(
    keyring: Keyring,
    name: AccountName,
    origin: Origin,
    secret: Secret,
    questions: Questions | None = None,
    *,
    known: bool = False,
) -> Reservation:
    """What an attempt at `name` from `origin` stakes. Unknown names stake alike, so the throttle is no oracle.

    `questions` is the allowance where the identity source is going to be asked. `known`: the name is an account's.
    """
    account, where = name.encode(), origin.network.encode()

    def key(*parts: bytes) -> bytes:
        return _digest(keyring, Purpose.BUCKET, *parts)[:KEY_BYTES]

    keys = {
        Counts.PAIR: key(b"pair", account, where),
        Counts.ACCOUNT: key(b"account", account),
        Counts.NETWORK: key(b"network", where),
        Counts.WIDE: key(b"wide", origin.wide.encode()),
        Counts.OVERALL: key(b"overall"),
    }
    asked = place(keyring, name, origin.network).network
    return Reservation(
        owner=owner_key(keyring, name),
        mark=_digest(keyring, Purpose.MARK, account, secret.reveal())[:MARK_BYTES],
        buckets=tuple(Bucket(counts, keys[counts], allowance) for counts, allowance in ALLOWANCES.items()),
        codes=key(b"codes", account, where),
        question=None if questions is None else Question(secrets.token_hex(8), asked, questions),
        known=known,
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
