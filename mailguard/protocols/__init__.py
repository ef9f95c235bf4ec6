"""Dialogues before login: bytes in, events out. No I/O."""
