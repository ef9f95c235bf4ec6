"""Settings → how letters are written and handed in; a reload replaces it as a whole."""

from mailguard.backends.post import post_of
from mailguard.config import Settings
from mailguard.jobs.letter import Office


def office_of(settings: Settings) -> Office:
    """Raises ConfigError, TlsError for what cannot be read."""
    return Office(
        post=post_of(settings),
        organisation=settings.notify.organisation,
        hostname=settings.server.hostname,
        support=settings.portal.support,
    )
