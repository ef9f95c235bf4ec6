"""Would owners hear of what happens to their accounts?"""

from __future__ import annotations

from collections.abc import AsyncIterator

from mailguard.backends.failure import BackendFailure
from mailguard.backends.post import post_of, rehearse
from mailguard.checks.findings import Finding, fail, ok, warn
from mailguard.config import ConfigError, Settings
from mailguard.config.letters import silence
from mailguard.net.tls import TlsError


async def letters(settings: Settings) -> AsyncIterator[Finding]:
    """Is there a sender, a way, somebody to tell? The way is tried up to its login; nothing is sent."""
    if mute := silence(settings):
        yield warn(*mute)
    try:
        post = post_of(settings)
    except (ConfigError, TlsError) as error:
        yield fail("letters", str(error))
        return
    if post is None:
        return
    try:
        await rehearse(post)
    except BackendFailure as failure:
        yield fail(
            failure.text, "until that is mended nobody is told what happens to accounts; letters are kept for five days"
        )
    else:
        yield ok(f"{post} go out as {post.sender}")
