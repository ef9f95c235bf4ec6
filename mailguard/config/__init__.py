"""config.toml → frozen settings. Every error names its key and says what to write."""

from mailguard.config.choices import (
    CodeWindow,
    Door,
    FirstEnrolment,
    ForwardClient,
    LogFormat,
    Login,
    MasterForm,
    Source,
    TlsMode,
    TlsVersion,
    TwoFactor,
    Unknown,
    Username,
)
from mailguard.config.connections import (
    Backend,
    Identity,
    IdentityBackend,
    Listen,
    Server,
    SniCertificate,
    SubmissionBackend,
    Tls,
)
from mailguard.config.errors import ConfigError, ConfigErrors, Wrong
from mailguard.config.load import load
from mailguard.config.rules import Names, Policy, Throttle
from mailguard.config.settings import Audit, Keys, Notify, Observe, Portal, Records, Settings

__all__ = [
    "Audit",
    "Backend",
    "CodeWindow",
    "ConfigError",
    "ConfigErrors",
    "Door",
    "FirstEnrolment",
    "ForwardClient",
    "Identity",
    "IdentityBackend",
    "Keys",
    "Listen",
    "LogFormat",
    "Login",
    "MasterForm",
    "Names",
    "Notify",
    "Observe",
    "Policy",
    "Portal",
    "Records",
    "Server",
    "Settings",
    "SniCertificate",
    "Source",
    "SubmissionBackend",
    "Throttle",
    "Tls",
    "TlsMode",
    "TlsVersion",
    "TwoFactor",
    "Unknown",
    "Username",
    "Wrong",
    "load",
]
