"""The closed list of audit events."""

from enum import StrEnum, unique


@unique
class Event(StrEnum):
    """What an audit row is about. Names are a contract with whoever searches the record."""

    LOGIN_GRANTED = "login-granted"
    LOGIN_REFUSED = "login-refused"
    LOGIN_DEFERRED = "login-deferred"  # a temporary failure: nothing was decided against the credential
    SESSION_ENDED = "session-ended"
    ACCOUNT_ADDED = "account-added"
    ACCOUNT_CHANGED = "account-changed"
    ACCOUNT_SUSPENDED = "account-suspended"
    ACCOUNT_RESUMED = "account-resumed"
    ACCOUNT_UNLOCKED = "account-unlocked"
    ACCOUNT_REMOVED = "account-removed"
    TOTP_ENROLLED = "totp-enrolled"
    TOTP_CONFIRMED = "totp-confirmed"
    TOTP_REMOVED = "totp-removed"
    FACTORS_RESET = "factors-reset"
    APP_PASSWORD_ISSUED = "app-password-issued"
    APP_PASSWORD_REVOKED = "app-password-revoked"
    SESSION_END_ASKED = "session-end-asked"
    ROW_ALTERED = "row-altered"  # a credential row whose MAC does not fit
    STORE_CREATED = "store-created"
    STORE_UPGRADED = "store-upgraded"
    STORE_BACKED_UP = "store-backed-up"
