"""Reads what mail programs post to Autodiscover. Anybody may post anything, so that little is read and much refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

BODY_MAX = 16 * 1024  # octets; Outlook sends 400
DEPTH_MAX = 16

_SPACE = " "  # stands between the namespace and the name of an element: no namespace holds one
_FIELDS = ("EMailAddress", "AcceptableResponseSchema")


class Unreadable(Exception):
    """Not a document that any mail program sends."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: whose settings, by which schema, and by which schema the answer is wanted. Empty: not said."""

    schema: str
    address: str = field(repr=False)
    wanted: str


def read(body: bytes) -> Question:
    """The question in a body. Raises Unreadable.

    Declarations of types and entities are refused, and processing instructions: no program sends them, and all
    attacks on readers of XML begin with them. The encoding that a document names is not looked up: a stranger would
    choose among all codecs. It is UTF-8. ([MS-OXDSCLI] §2.2.3)
    """
    if len(body) > BODY_MAX:
        raise Unreadable("too long")
    reading = _Reading()
    parser = expat.ParserCreate("utf-8", _SPACE)
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ProcessingInstructionHandler = _refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError:
        raise Unreadable("not well-formed") from None
    return Question(reading.schema, *(reading.fields.get(name, "").strip() for name in _FIELDS))


class _Reading:
    """What was read so far, fed by the parser."""

    def __init__(self) -> None:
        self.schema = ""
        self.fields: dict[str, str] = {}
        self._path: list[str] = []
        self._open = ""  # the field whose text comes

    def start(self, name: str, _attributes: object) -> None:
        schema, _, local = name.rpartition(_SPACE)
        if len(self._path) == DEPTH_MAX:
            raise Unreadable("too deep")
        if not self._path:
            self.schema = schema if local == "Autodiscover" else ""
        self._path.append(local if schema == self.schema else "")
        self._open = local if self._path == ["Autodiscover", "Request", local] and local in _FIELDS else ""
        if self._open in self.fields:
            raise Unreadable("says the same twice")
        if self._open:
            self.fields[self._open] = ""

    def end(self, _name: str) -> None:
        self._path.pop()
        self._open = ""

    def text(self, text: str) -> None:
        if self._open:
            self.fields[self._open] += text


def _refuse(*_: object) -> NoReturn:
    raise Unreadable("declares types, entities or instructions")
