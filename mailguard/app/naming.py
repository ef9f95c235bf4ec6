"""Settings → what names may be. Apart from the other rules, so that commands need not load the whole guard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from mailguard.auth import aliases
from mailguard.auth.aliases import AliasRefused
from mailguard.auth.names import NO_ALIASES, Aliases, Naming, canonical
from mailguard.config import ConfigError, Settings, Source


def naming_of(settings: Settings) -> Naming:
    """What names may be: the store's masters are nobody's, and a store that hears no domain has one domain. Raises
    ConfigError for aliases that cannot be meant."""
    reserved = frozenset(_masters(settings))
    return Naming(
        domain=settings.names.domain,
        reserved=reserved,
        sole=_sole(settings),
        aliases=_aliases(settings, reserved),
    )


def shadowed(settings: Settings, naming: Naming, accounts: Iterable[str]) -> None:
    """ConfigError where an alias is the name of an account that is there: nobody could log in to that one any more."""
    for name in accounts:
        if name in naming.aliases.names:
            raise ConfigError(
                "names.aliases",
                f"{name} is an alias, and an account as well that nobody could log in to any more; take the line out, "
                "and put it in again once that account is removed",
                settings.file,
            )


def _sole(settings: Settings) -> bool:
    """Is somebody asked who does not hear the domain? To a directory `ann@elsewhere` would be ann, to us somebody else
    without her authenticator."""
    ldap, asked = settings.identity.ldap, settings.identity.source is Source.LDAP
    deaf = asked and ldap is not None and not ldap.search.hears_domain
    return deaf or any(not backend.username.hears_domain for backend in settings.backend.values())


def _masters(settings: Settings) -> Iterator[str]:
    """The store's own names, and what they are where a template puts a domain before them."""
    for backend in settings.backend.values():
        if backend.master_user:
            master = backend.master_user.casefold()
            yield from (master, master.rpartition("\\")[2])


def _aliases(settings: Settings, reserved: frozenset[str]) -> Aliases:
    file = settings.names.aliases
    if file is None:
        return NO_ALIASES
    try:
        text = file.read_text(encoding="utf-8-sig")
        return aliases.read(text, partial(canonical, domain=settings.names.domain, reserved=reserved))
    except AliasRefused as refused:
        why = f"{file.name}, {refused}"
    except UnicodeDecodeError:
        why = f"{file} is not text in UTF-8; save it as such"
    except OSError as error:
        why = f"{file} cannot be read ({error.strerror}); make it, or correct its name or rights"
    raise ConfigError("names.aliases", why, settings.file)
