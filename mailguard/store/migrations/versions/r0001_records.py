"""The first records: accounts, credentials, throttle, revocations, sessions, the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NONE = sa.text("''")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("policy_group", sa.String, nullable=False),
        sa.Column("administrator", sa.Boolean, nullable=False),
        sa.Column("suspended", sa.Boolean, nullable=False),
        sa.Column("factor_required", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("mac_key", sa.String, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "totp_devices",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("account_id", sa.String, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("seal_key", sa.String, nullable=False),
        sa.Column("sealed_seed", sa.LargeBinary, nullable=False),
        sa.Column("digits", sa.Integer, nullable=False),
        sa.Column("period", sa.Integer, nullable=False),
        sa.Column("algorithm", sa.String, nullable=False),
        sa.Column("last_step", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("confirmed_at", sa.Float),
    )
    op.create_index("ix_totp_devices_account_id", "totp_devices", ["account_id"])
    op.create_table(
        "app_passwords",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("account_id", sa.String, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("protocols", sa.String, nullable=False),
        sa.Column("networks", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("idle", sa.Float),
        sa.Column("revoked_at", sa.Float),
        sa.Column("issued_by", sa.String, nullable=False),
        sa.Column("seen_by_operator", sa.Boolean, nullable=False),
        sa.Column("hash_key", sa.String, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("mac_key", sa.String, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.Column("last_used_at", sa.Float),
        sa.Column("last_used_from", sa.String, nullable=False, server_default=NONE),
        sa.Column("last_used_protocol", sa.String, nullable=False, server_default=NONE),
        sa.Column("last_client", sa.String, nullable=False, server_default=NONE),
    )
    op.create_index("ix_app_passwords_account_id", "app_passwords", ["account_id"])
    op.create_table(
        "grants",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("account_id", sa.String, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("device_id", sa.String, nullable=False),
        sa.Column("network", sa.String, nullable=False),
        sa.Column("string_key", sa.String, nullable=False),
        sa.Column("string", sa.LargeBinary),
        sa.Column("opened_at", sa.Float, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("single", sa.Boolean, nullable=False),
        sa.Column("ended_at", sa.Float),
    )
    op.create_index("ix_grants_account_id", "grants", ["account_id"])
    op.create_table(
        "throttle_marks",
        sa.Column("bucket", sa.LargeBinary, primary_key=True),
        sa.Column("mark", sa.LargeBinary, primary_key=True),
        sa.Column("owner", sa.LargeBinary, nullable=False),
        sa.Column("pending", sa.Boolean, nullable=False),
        sa.Column("counted_at", sa.Float, nullable=False),
        sa.Column("asked_at", sa.Float, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "revocations",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_revocations_target", "revocations", ["target", "kind"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("protocol", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("factor", sa.String, nullable=False),
        sa.Column("credential", sa.String, nullable=False),
        sa.Column("device", sa.String, nullable=False),
        sa.Column("grant_id", sa.String, nullable=False),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
    )
    op.create_index("ix_sessions_account", "sessions", ["account"])
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("network", sa.String, nullable=False),
        sa.Column("protocol", sa.String, nullable=False),
        sa.Column("mechanism", sa.String, nullable=False),
        sa.Column("factor", sa.String, nullable=False),
        sa.Column("credential", sa.String, nullable=False),
        sa.Column("session", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        sa.Column("last_at", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_account", "audit", ["account", "at"])
    op.create_table(
        "probes",
        sa.Column("protocol", sa.String, primary_key=True),
        sa.Column("keywords", sa.String, nullable=False),
        sa.Column("at", sa.Float),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("claimed_at", sa.Float, nullable=False),
    )
