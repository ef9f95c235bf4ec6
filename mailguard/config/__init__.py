"""config.toml → frozen settings. Every error names its key and says what to write."""

from mailguard.config.choices import (
    AuditStream,
    ForwardClient,
    LogFormat,
    Login,
    MasterForm,
    ProtocolName,
    Source,
    Successes,
    TlsMode,
    TwoFactor,
    Unknown,
)
from mailguard.config.connections import Backend, IdentityBackend, Listen, Tls
from mailguard.config.directory import IdentityLdap
from mailguard.config.errors import ConfigError, ConfigErrors, Wrong
from mailguard.config.load import load
from mailguard.config.rules import Policy
from mailguard.config.settings import Settings
from mailguard.config.username import Username

__all__ = [
    "AuditStream",
    "Backend",
    "ConfigError",
    "ConfigErrors",
    "ForwardClient",
    "IdentityBackend",
    "IdentityLdap",
    "Listen",
    "LogFormat",
    "Login",
    "MasterForm",
    "Policy",
    "ProtocolName",
    "Settings",
    "Source",
    "Successes",
    "Tls",
    "TlsMode",
    "TwoFactor",
    "Unknown",
    "Username",
    "Wrong",
    "load",
]
