"""A form makes one thing, however often it is sent: by a double click, a reload, the way back and forth.

The form carries a number of its own, and what it makes gets an id that follows from it. The second time the records
have that id, and say so. The browser does not choose ids: they follow from the visit as well.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

from mailguard.keyring import ALPHABET
from mailguard.store.ids import ID_LENGTH

if TYPE_CHECKING:
    from mailguard.web.visit import Visit


def new_number() -> str:
    """For a form: `<input type="hidden" name="once" …>`."""
    return secrets.token_hex(8)


def row_id(visit: Visit, number: str) -> str:
    """The id of what the form with this number makes."""
    mixed = hmac.digest(visit.form_token.encode(), b"once " + number.encode(), "sha256")
    return "".join(ALPHABET[octet % len(ALPHABET)] for octet in mixed[:ID_LENGTH])
