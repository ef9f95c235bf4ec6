"""The closed lists of words that keys of the configuration take."""

from enum import StrEnum, unique


@unique
class ProtocolName(StrEnum):
    """The protocol of a listener or a backend."""

    IMAP = "imap"
    SUBMISSION = "submission"
    POP3 = "pop3"
    MANAGESIEVE = "managesieve"


@unique
class TlsMode(StrEnum):
    """When TLS begins on a connection."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"  # to the store only, and only inside this machine


@unique
class TlsVersion(StrEnum):
    """The oldest TLS that is spoken."""

    V1_2 = "TLSv1.2"
    V1_3 = "TLSv1.3"


@unique
class Source(StrEnum):
    """Who checks the user's own password."""

    BACKEND = "backend"
    LDAP = "ldap"
    LOCAL = "local"


@unique
class Unknown(StrEnum):
    """What becomes of a name without an account."""

    CREATE = "create"  # an account, after its first right password
    REFUSE = "refuse"


@unique
class Login(StrEnum):
    """Whose credential opens the leg to the store."""

    OWN = "own"
    MASTER = "master"
    TOKEN = "token"


@unique
class MasterForm(StrEnum):
    """How a master login names the user: a SASL authorization identity, or `user*master`."""

    AUTHZID = "authzid"
    SEPARATOR = "separator"


@unique
class ForwardClient(StrEnum):
    """How the store learns the client's address."""

    AUTO = "auto"
    ID = "id"
    XCLIENT = "xclient"
    PROXY = "proxy"
    NONE = "none"


@unique
class TwoFactor(StrEnum):
    """What becomes of a bare password of an account without a factor; with one it always needs it. From lenient to
    strict."""

    OPTIONAL = "optional"
    OBSERVE = "observe"
    WARN = "warn"
    ENFORCE = "enforce"


@unique
class FirstEnrolment(StrEnum):
    """What binds the first factor of an account that may do without one. One that may not needs a claim."""

    PASSWORD = "password"
    CLAIM = "claim"  # a one-time enrolment code from an administrator


@unique
class CodeWindow(StrEnum):
    """Which time steps a code may be of, the current one apart."""

    NONE = "none"
    PREVIOUS = "previous"
    BOTH = "both"


@unique
class Successes(StrEnum):
    """How the logins of one app password are recorded."""

    EACH = "each"
    DAILY = "daily"


@unique
class AuditStream(StrEnum):
    """Where each row of the record is written as well, as a line of JSON."""

    NONE = "none"
    STDOUT = "stdout"
    SYSLOG = "syslog"


@unique
class LogFormat(StrEnum):
    """How log records are written."""

    JSON = "json"
    TEXT = "text"


@unique
class Half(StrEnum):
    """What one service runs, where each half of the guard has a service, and a user, of its own."""

    MAIL = "mail"
    PORTAL = "portal"
