"""The tables, as the code of this version expects them. They are made and changed by migrations/ alone.

Times are UTC seconds since 1970. Account names in `audit` and `sessions` are text, not keys: the record outlives
the account.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

HEAD = "0001"  # the newest revision in migrations/versions

metadata = MetaData()

_NONE = text("''")

accounts = Table(
    "accounts",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("policy_group", String, nullable=False),
    Column("administrator", Boolean, nullable=False),
    Column("suspended", Boolean, nullable=False),
    Column("factor_required", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

devices = Table(
    "totp_devices",
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("seal_key", String, nullable=False),
    Column("sealed_seed", LargeBinary, nullable=False),
    Column("digits", Integer, nullable=False),
    Column("period", Integer, nullable=False),
    Column("algorithm", String, nullable=False),
    Column("last_step", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("confirmed_at", Float),
)

app_passwords = Table(
    "app_passwords",
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("label", String, nullable=False),
    Column("protocols", String, nullable=False),  # names, sorted, between spaces
    Column("networks", String, nullable=False),  # CIDR, in the order given, between spaces
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("idle", Float),
    Column("revoked_at", Float),
    Column("issued_by", String, nullable=False),
    Column("seen_by_operator", Boolean, nullable=False),
    Column("hash_key", String, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    # Written at every use, so not under the MAC:
    Column("last_used_at", Float),
    Column("last_used_from", String, nullable=False, server_default=_NONE),
    Column("last_used_protocol", String, nullable=False, server_default=_NONE),
    Column("last_client", String, nullable=False, server_default=_NONE),
)

grants = Table(
    "grants",
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("device_id", String, nullable=False),
    Column("network", String, nullable=False),
    Column("string_key", String, nullable=False),
    Column("string", LargeBinary),  # erased at the grant's end
    Column("opened_at", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("single", Boolean, nullable=False),
    Column("ended_at", Float),
)

throttle_marks = Table(
    "throttle_marks",
    metadata,
    Column("bucket", LargeBinary, primary_key=True),
    Column("mark", LargeBinary, primary_key=True),
    Column("owner", LargeBinary, nullable=False),
    Column("pending", Boolean, nullable=False),
    Column("counted_at", Float, nullable=False),  # 0: known, but no longer counted
    Column("asked_at", Float, nullable=False),  # 0: due to be asked again
    Column("seen_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

revocations = Table(
    "revocations",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String, nullable=False),
    Column("target", String, nullable=False),
    Index("ix_revocations_target", "target", "kind"),
    sqlite_autoincrement=True,  # a sequence number must never come back
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False, index=True),
    Column("protocol", String, nullable=False),
    Column("address", String, nullable=False),
    Column("port", Integer, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("factor", String, nullable=False),
    Column("credential", String, nullable=False),
    Column("device", String, nullable=False),
    Column("grant_id", String, nullable=False),
    Column("client", String, nullable=False),
    Column("started_at", Float, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("event", String, nullable=False),
    Column("account", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("address", String, nullable=False),
    Column("port", Integer, nullable=False),
    Column("network", String, nullable=False),
    Column("protocol", String, nullable=False),
    Column("mechanism", String, nullable=False),
    Column("factor", String, nullable=False),
    Column("credential", String, nullable=False),
    Column("session", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("client", String, nullable=False),
    Column("detail", String, nullable=False),
    Column("repeats", Integer, nullable=False),  # further events like this one, beyond the rate that gets a row each
    Column("last_at", Float, nullable=False),
    Index("ix_audit_account", "account", "at"),
    sqlite_autoincrement=True,
)

probes = Table(
    "probes",
    metadata,
    Column("protocol", String, primary_key=True),
    Column("keywords", String, nullable=False),  # JSON list
    Column("at", Float),  # of the last answer, good or bad
    Column("error", String, nullable=False),
    Column("claimed_at", Float, nullable=False),
)
