"""The key file: generations of one root secret, from which every other key is derived.

It lies outside the database, so that a stolen database opens nothing (SECURITY.md, promise 7).
"""

from mailguard.keyring.file import create, load, retire, rotate
from mailguard.keyring.ring import ALPHABET, Generation, Keyring, KeysError, Purpose

__all__ = ["ALPHABET", "Generation", "Keyring", "KeysError", "Purpose", "create", "load", "retire", "rotate"]
