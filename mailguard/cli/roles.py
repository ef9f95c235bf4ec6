"""The roles of administrators, as options name them."""

from __future__ import annotations

from typing import Annotated

import typer

from mailguard.auth.roles import Role, RoleLimit

_NO_ROLE = "none"
_NAMES = "|".join([*filter(None, Role), _NO_ROLE])

WantedRole = Annotated[
    str | None, typer.Option(help="What it may do to others' accounts; it must have a second factor.", metavar=_NAMES)
]
WantedLimit = Annotated[
    str | None, typer.Option(help='Whose accounts alone its role reaches; "" for all.', metavar="domain:D|group:G")
]


def role(written: str | None) -> Role | None:
    """The role of an option that was given."""
    if written is None:
        return None
    try:
        return Role.NONE if written == _NO_ROLE else Role(written or _NO_ROLE)
    except ValueError:
        raise typer.BadParameter(f"must be one of {_NAMES.replace('|', ', ')}", param_hint="--role") from None


def limit(written: str | None) -> RoleLimit | None:
    """The limit of an option that was given."""
    try:
        return None if written is None else RoleLimit.parse(written)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--role-limit") from None
