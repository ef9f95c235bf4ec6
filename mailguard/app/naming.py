"""Settings → what names may be. Apart from the other rules, so that commands need not load the whole guard."""

from mailguard.auth.names import Naming
from mailguard.config import Settings, Username


def naming_of(settings: Settings) -> Naming:
    """What names may be: the store's masters are nobody's, and a store that hears no domain has one domain."""
    masters = (backend.master_user.casefold() for backend in settings.backend.values())
    return Naming(
        domain=settings.names.domain,
        reserved=frozenset(master for master in masters if master),
        sole=any(backend.username is Username.LOCAL for backend in settings.backend.values()),
    )
