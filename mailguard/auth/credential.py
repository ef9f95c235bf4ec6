"""One password field, and what it may mean.

Mail clients have one field. In it comes an app password, or a password with the current code appended, or a bare
password. Nothing is trimmed and no case is changed on the way to the identity source (ASVS 6.2.8); Unicode is
brought to one spelling (NFC, RFC 8265 §4.2 OpaqueString), since clients disagree about it.
"""

import re
import unicodedata
from dataclasses import dataclass

from mailguard.auth.accounts import AccountName, KeyedHash
from mailguard.auth.passwords import digests, normalise_app_password
from mailguard.keyring import Keyring, Purpose
from mailguard.secret import Secret

_CODE_AT_END = re.compile(rb"[0-9]{6}\Z")


@dataclass(frozen=True, slots=True)
class Offered:
    """What was typed, in its one spelling, and what it may be."""

    string: Secret  # UTF-8, NFC
    app_password: Secret | None  # normalised, where the string can be one

    @property
    def may_hold_code(self) -> bool:
        """Whether the string ends in digits enough for a code. True of the string alone, whatever the account."""
        return _CODE_AT_END.search(self.string.reveal()) is not None

    def split(self, digits: int) -> tuple[Secret, str] | None:
        """Password and code, or None where the string does not end in that many ASCII digits."""
        string = self.string.reveal()
        password, code = string[:-digits], string[-digits:]
        if len(code) != digits or not code.isdigit():
            return None
        return Secret(password), code.decode()

    def app_password_digests(self, keyring: Keyring) -> tuple[KeyedHash, ...]:
        """What an app password's row would be found by; empty where the string cannot be one."""
        if self.app_password is None:
            return ()
        return digests(keyring, Purpose.APP_PASSWORD, self.app_password.reveal())

    def string_digests(self, keyring: Keyring, name: AccountName) -> tuple[KeyedHash, ...]:
        """What a grant of this exact string would be found by; empty where it holds no code."""
        if not self.may_hold_code:
            return ()
        return digests(keyring, Purpose.STRING, name.encode() + b"\0" + self.string.reveal())


def read(secret: Secret) -> Offered:
    """Bring a password field into its one spelling: UTF-8, else cp1252 (old Windows clients), else as it is."""
    raw = secret.reveal()
    for encoding in ("utf-8", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        raw = unicodedata.normalize("NFC", text).encode()
        break
    app_password = normalise_app_password(raw)
    return Offered(Secret(raw), None if app_password is None else Secret(app_password))
