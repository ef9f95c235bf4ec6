"""What an IMAP store has shown of itself, for the logins that follow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailguard.backends.imap import Answer

_DOVECOT = re.compile(rb'\* ID \("name" "Dovecot"[ )]')


class Manners:
    """Whether a store takes ID and the login behind it in one write, a turn of the network less.

    Every store should (RFC 9051 §5.5), and some drop what comes while they think. Dovecot does take it, since its own
    proxy speaks so; that it is one it says in its answer to ID, which is heard at every login.
    """

    __slots__ = ("takes_together",)

    def __init__(self) -> None:
        self.takes_together = False

    def answered(self, answer: Answer) -> None:
        """It answered ID."""
        self.takes_together = any(_DOVECOT.match(line) for line in answer.untagged)
