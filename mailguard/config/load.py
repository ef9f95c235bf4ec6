"""Reads config.toml into Settings, or says everything that is wrong with it at once."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from mailguard.config.choices import ProtocolName
from mailguard.config.connections import (
    Backend,
    Identity,
    IdentityBackend,
    Listen,
    NotifyRelay,
    Server,
    SubmissionBackend,
    Tls,
)
from mailguard.config.consistency import contradictions
from mailguard.config.directory import IdentityLdap
from mailguard.config.errors import ConfigError, ConfigErrors, NotBuilt, Wrong
from mailguard.config.key import Key, keys_of
from mailguard.config.kinds import shown, toml
from mailguard.config.rules import Names, Policy, Throttle
from mailguard.config.settings import Audit, Keys, Notify, Observe, Portal, Records, Settings

T = TypeVar("T")
_BUILT_BACKENDS = {ProtocolName.IMAP: Backend, ProtocolName.SUBMISSION: SubmissionBackend}


def load(path: Path) -> Settings:
    """Read the file and check each key, then all together. ConfigErrors names every problem found.

    No other file is opened: whether certificates and keys are there is for `check` and the start to find.
    """
    path = path.absolute()
    reader = _Reader(path.parent)
    settings = dataclasses.replace(reader.settings(_content(path)), file=path)
    problems = reader.problems or list(contradictions(settings))
    if problems:
        raise ConfigErrors(path, problems)
    if not settings.portal.public_url:
        portal = dataclasses.replace(settings.portal, public_url=f"https://{settings.server.hostname}")
        settings = dataclasses.replace(settings, portal=portal)
    return settings


def _content(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        problem = ConfigError(
            "", f"no such file in {path.parent}; make one with `mailguard init`, or name yours by --config"
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problem = ConfigError("", f"is not TOML ({error}); mend that line")
    except OSError as error:
        problem = ConfigError("", f"cannot be read ({error.strerror}); run mailguard as a user that may read {path}")
    raise ConfigErrors(path, [problem])


class _Reader:
    """Reads table after table, noting problems instead of stopping at the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.problems: list[ConfigError] = []

    def settings(self, content: Mapping[str, Any]) -> Settings:
        self._unknown(content, [f.name for f in dataclasses.fields(Settings) if f.name != "file"], "")
        return Settings(
            server=self._table(Server, content, "server"),
            tls=self._table(Tls, content, "tls"),
            listen=self._listen(content),
            store=self._table(Records, content, "store"),
            keys=self._table(Keys, content, "keys"),
            names=self._table(Names, content, "names"),
            identity=self._identity(content),
            backend=self._backends(content),
            policy=self._policy(content),
            throttle=self._table(Throttle, content, "throttle"),
            portal=self._table(Portal, content, "portal"),
            audit=self._table(Audit, content, "audit"),
            notify=self._notify(content),
            observe=self._table(Observe, content, "observe"),
        )

    def _listen(self, content: Mapping[str, Any]) -> tuple[Listen, ...]:
        tables = content.get("listen")
        if not isinstance(tables, list) or not tables:
            self._problem("listen", 'is missing; write [[listen]] with protocol = "imap" and address = "0.0.0.0:993"')
            return ()
        return tuple(self._keys(Listen, table, f"listen[{number}]") for number, table in enumerate(tables, 1))

    def _identity(self, content: Mapping[str, Any]) -> Identity:
        identity = self._table(Identity, content, "identity", tables=("backend", "ldap"))
        raw = _mapping(content.get("identity"))
        if "backend" in raw:
            identity = dataclasses.replace(identity, backend=self._table(IdentityBackend, raw, "identity.backend"))
        if "ldap" in raw:
            identity = dataclasses.replace(identity, ldap=self._table(IdentityLdap, raw, "identity.ldap"))
        return identity

    def _notify(self, content: Mapping[str, Any]) -> Notify:
        notify = self._table(Notify, content, "notify", tables=("relay",))
        raw = _mapping(content.get("notify"))
        if "relay" not in raw:
            return notify
        return dataclasses.replace(notify, relay=self._table(NotifyRelay, raw, "notify.relay"))

    def _backends(self, content: Mapping[str, Any]) -> Mapping[str, Backend]:
        raw = _mapping(content.get("backend"))
        if not raw:
            self._problem("backend", "is missing; write [backend.imap] with host and port of your mail store")
        self._unknown(raw, list(ProtocolName), "backend.")
        for name in ProtocolName:
            if name in raw and name not in _BUILT_BACKENDS:
                self._problem(f"backend.{name}", "is not built yet; remove the table")
        return MappingProxyType(
            {
                str(name): self._table(table, raw, f"backend.{name}")
                for name, table in _BUILT_BACKENDS.items()
                if name in raw
            }
        )

    def _policy(self, content: Mapping[str, Any]) -> Policy:
        policy = self._table(Policy, content, "policy", tables=("group",))
        groups = _mapping(content.get("policy")).get("group", {})
        if not isinstance(groups, dict):
            self._problem("policy.group", "must hold tables; write [policy.group.NAME]")
            return policy
        merged = {name: self._table(Policy, groups, f"policy.group.{name}", base=policy) for name in groups}
        return dataclasses.replace(policy, group=MappingProxyType(merged))

    def _table(
        self,
        table: type[T],
        parent: Mapping[str, Any],
        prefix: str,
        *,
        tables: Iterable[str] = (),
        base: T | None = None,
    ) -> T:
        return self._keys(table, parent.get(prefix.rpartition(".")[2], {}), prefix, tables=tables, base=base)

    def _keys(
        self, table: type[T], raw: object, prefix: str, *, tables: Iterable[str] = (), base: T | None = None
    ) -> T:
        if not isinstance(raw, dict):
            self._problem(prefix, f"must be a table; write [{prefix}]")
            raw = {}
        declared = dict(keys_of(table))
        self._unknown(raw, [*(key.name for key in declared.values()), *tables], f"{prefix}.")
        values = {
            field: self._value(key, raw, prefix) for field, key in declared.items() if key.name in raw or base is None
        }
        return dataclasses.replace(base, **values) if base is not None else table(**values)  # type: ignore[type-var]

    def _value(self, key: Key[Any], raw: Mapping[str, Any], prefix: str) -> object:
        """One value, or the default where there is none or it is wrong."""
        default = key.kind.read(key.default, self._folder)
        if key.name not in raw:
            if key.required:
                self._problem(f"{prefix}.{key.name}", f"is missing; write {key.name} = {toml(key.example)}")
            return default
        try:
            if not key.built and raw[key.name] != key.default:
                raise NotBuilt(f"{shown(raw[key.name])} is not built yet")
            return key.kind.read(raw[key.name], self._folder)
        except Wrong as wrong:
            advice = "remove the line or write" if isinstance(wrong, NotBuilt) else "write"
            self._problem(f"{prefix}.{key.name}", f"{wrong}; {advice} {key.name} = {toml(key.example)}")
            return default

    def _unknown(self, raw: Mapping[str, Any], known: list[str], prefix: str) -> None:
        for name in raw:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                advice = f"did you mean {near[0]}?" if near else f"remove it (known are {', '.join(known)})"
                self._problem(f"{prefix}{name}", f"is unknown; {advice}")

    def _problem(self, key: str, why: str) -> None:
        self.problems.append(ConfigError(key, why))


def _mapping(raw: object) -> Mapping[str, Any]:
    return raw if isinstance(raw, dict) else {}
