"""A credential in memory, kept out of reprs, logs and pickles."""

import hmac
from typing import NoReturn


class Secret:
    """Bytes that nobody should read by accident.

    `repr` and `str` hide them, pickling is refused, comparison takes constant time.
    `reveal()` is the only way out, so that every use can be grepped for.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a secret must not become a key of a dict

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")
