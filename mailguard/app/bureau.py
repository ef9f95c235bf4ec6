"""Settings → what administrators act with; a reload replaces it as a whole."""

from collections.abc import Callable

from mailguard.admin.bureau import Bureau
from mailguard.app.naming import naming_of
from mailguard.app.rules import policies_of
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.ports import Beside
from mailguard.config import Settings
from mailguard.keyring import Keyring
from mailguard.store.store import Store


def bureau_of(
    settings: Settings, store: Store, keyring: Keyring, *, now: Callable[[], float], beside: Beside
) -> Bureau:
    """Raises ConfigError for what cannot be read."""
    return Bureau(
        store=store,
        keyring=keyring,
        now=now,
        policies=policies_of(settings.policy),
        limits=settings.policy,
        protocols=frozenset(MailProtocol(name) for name in settings.backend),
        canonical=naming_of(settings).canonical,
        beside=beside,
        public_url=settings.portal.public_url,
    )
