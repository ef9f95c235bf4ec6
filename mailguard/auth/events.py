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
    TOTP_RENAMED = "totp-renamed"
    TOTP_REMOVED = "totp-removed"
    TOTP_RESYNCED = "totp-resynced"  # its counter was ahead of the clock
    PASSKEY_ADDED = "passkey-added"
    PASSKEY_RENAMED = "passkey-renamed"
    PASSKEY_REMOVED = "passkey-removed"
    FACTORS_RESET = "factors-reset"
    CODES_ISSUED = "codes-issued"  # one-time codes: recovery, enrolment or bypass
    CODE_USED = "code-used"  # one of them
    CODES_WITHDRAWN = "codes-withdrawn"
    APP_PASSWORD_ISSUED = "app-password-issued"
    APP_PASSWORD_RENAMED = "app-password-renamed"
    APP_PASSWORD_REVOKED = "app-password-revoked"
    APP_PASSWORD_FIRST_USED = "app-password-first-used"
    CLAIM_ISSUED = "claim-issued"
    CLAIM_USED = "claim-used"
    CLIENT_BOUND = "client-bound"  # under a client lock, the first IMAP ID name came
    CLIENT_REFUSED = "client-refused"  # another name: the session was ended
    CLIENT_UNNAMED = "client-unnamed"  # a session under a client lock gave no name
    VAULT_SEALED = "vault-sealed"  # the store password, to an account's app passwords
    VAULT_REFUSED = "vault-refused"  # the store said no to it
    GRANT_REVOKED = "grant-revoked"
    GRANT_ENDED = "grant-ended"  # its hard end, or idle for too long
    MEMBER_ADDED = "member-added"  # a named person of a shared mailbox
    MEMBER_REMOVED = "member-removed"
    ADDRESS_ADDED = "address-added"  # a second address
    ADDRESS_REMOVED = "address-removed"
    PASSWORD_SET = "password-set"  # the user's own, where mailguard keeps it
    PASSWORD_CHANGED = "password-changed"  # seen at the identity source
    RECHECK_HELD = "recheck-held"  # the source would have very many accounts suspended at once: none was
    SIGN_IN_GRANTED = "sign-in-granted"  # a person, at the portal
    SIGN_IN_REFUSED = "sign-in-refused"
    SIGN_IN_DEFERRED = "sign-in-deferred"
    API_KEY_ISSUED = "api-key-issued"
    API_KEY_REVOKED = "api-key-revoked"
    API_KEY_FIRST_USED = "api-key-first-used"
    ACT_REFUSED = "act-refused"  # an administrator's, by the gate
    NOTICE_SENT = "notice-sent"
    NOTICE_FAILED = "notice-failed"  # given up
    KEYS_ROTATED = "keys-rotated"
    KEY_RETIRED = "key-retired"
    SESSION_END_ASKED = "session-end-asked"
    AUDIT_RESTARTED = "audit-restarted"  # a new chain over what is there: older heads prove nothing
    AUDIT_PURGED = "audit-purged"  # rows older than `audit.retention`
    ROW_ALTERED = "row-altered"  # a credential row whose MAC does not fit
    STORE_CREATED = "store-created"
    STORE_UPGRADED = "store-upgraded"
    STORE_BACKED_UP = "store-backed-up"
