"""What of a changed configuration a running process takes over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailguard.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailguard.config import Settings

FIXED = ("server", "listen", "store", "keys", "observe")
"""What is bound, forked and opened at the start: a reload leaves it as it is."""
FIXED_OF_PORTAL = ("address", "user")


def reloaded(old: Settings, new: Settings) -> Settings:
    """The new settings as far as a running process can take them over; ConfigError where it cannot live with them."""
    for listen in old.listen:
        if listen.protocol not in new.backend:
            raise ConfigError(
                f"backend.{listen.protocol}",
                f"is gone while clients come in at {listen.address}: put it back, or restart without that door",
                new.file,
            )
    kept = {name: getattr(old, name) for name in FIXED}
    portal = replace(new.portal, **{name: getattr(old.portal, name) for name in FIXED_OF_PORTAL})
    return replace(new, portal=portal, **kept)


def left_out(old: Settings, new: Settings) -> Sequence[str]:
    """The tables and keys that were changed and need a restart."""
    tables = [name for name in FIXED if getattr(new, name) != getattr(old, name)]
    keys = [name for name in FIXED_OF_PORTAL if getattr(new.portal, name) != getattr(old.portal, name)]
    return [*tables, *(f"portal.{name}" for name in keys)]
