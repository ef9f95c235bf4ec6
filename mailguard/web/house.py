"""What every page is made with; a reload of the configuration replaces it as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailguard.observe.board import Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailguard.admin.bureau import Bureau
    from mailguard.auth.attempt import Origin
    from mailguard.auth.ports import Identity
    from mailguard.auth.signin import SignIns
    from mailguard.config import Settings
    from mailguard.desk.desk import Desk
    from mailguard.store import Store
    from mailguard.web.texts import Texts


@dataclass(frozen=True, slots=True)
class House:
    """The parts behind the pages."""

    settings: Settings
    desk: Desk
    bureau: Bureau
    sign_ins: SignIns
    asking: Callable[[Origin, str], Identity]  # of where somebody comes from, and of the attempt's id
    origin: str  # of portal.public_url: "https://mail.example.org", no slash behind it
    hosts: frozenset[str]  # what a browser may call us, without a port
    discovery_hosts: frozenset[str]  # what mail programs may, at the addresses where they look for their settings
    texts: Mapping[str, Texts]  # by language
    meter: Meter = field(default_factory=Meter)

    @property
    def store(self) -> Store:
        """Our records."""
        return self.desk.store


@dataclass(slots=True)
class Held:
    """The present house. Not frozen: a reload puts another one in its place."""

    house: House
