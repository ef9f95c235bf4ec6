"""What all shapes have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from mailguard.admin.app_passwords import LABEL_CHARACTERS

MOST = 200  # rows of one page


class Shape(BaseModel):
    """Something that comes out."""

    model_config = ConfigDict(frozen=True)


class Wish(BaseModel):
    """Something that is sent. A name that it does not have is refused: a misspelt filter must not mean everything."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Made(Shape):
    """A one-time secret: it comes with this answer alone, and is kept as a hash."""

    id: str = Field(examples=["k7f3q2m9x4d8"])
    secret: str = Field(description="To be handed to the account's owner. Not shown again.")
    expires: datetime


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must have printable characters alone")
    return text


Text = Annotated[str, StringConstraints(max_length=254), AfterValidator(_printable)]
Label = Annotated[
    str, StringConstraints(min_length=1, max_length=LABEL_CHARACTERS, pattern=r"\S"), AfterValidator(_printable)
]
Size = Annotated[int, Field(ge=1, le=MOST, description="Rows of a page.")]


def moment(seconds: float) -> datetime:
    """A time of the records, to a second."""
    return datetime.fromtimestamp(int(seconds), UTC)


def moment_or_none(seconds: float | None) -> datetime | None:
    """The same, where there may be none."""
    return None if seconds is None else moment(seconds)
