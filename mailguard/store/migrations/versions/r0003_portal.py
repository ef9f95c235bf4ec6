"""What people sign in to the portal and its API with: passkeys, sessions, one-time links of devices, API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the new tables."""
    op.create_index("ix_audit_person", "audit", ["person", "at"], sqlite_where=sa.text("person != ''"))
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String, primary_key=True),
        _account(),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("credential", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        *_mac(),
        sa.Column("sign_count", sa.Integer, nullable=False),
        sa.Column("last_used_at", sa.Float),
    )
    op.create_index("ix_passkeys_account_id", "passkeys", ["account_id"])
    op.create_table(
        "used_challenges",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_table(
        "portal_sessions",
        sa.Column("id", sa.String, primary_key=True),
        _account(),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("standing", sa.String, nullable=False),
        sa.Column("factor", sa.String, nullable=False),
        sa.Column("device", sa.String, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("signed_at", sa.Float, nullable=False),
        sa.Column("until", sa.Float),
        sa.Column("ends_at", sa.Float, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("agent", sa.String, nullable=False),
        *_mac(),
        sa.Column("seen_at", sa.Float, nullable=False),
    )
    op.create_index("ix_portal_sessions_account_id", "portal_sessions", ["account_id"])
    op.create_table(
        "handouts",
        sa.Column("id", sa.String, primary_key=True),
        _account(),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("life", sa.Float),
        sa.Column("session_id", sa.String, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("used_at", sa.Float),
        *_mac(),
    )
    op.create_index("ix_handouts_account_id", "handouts", ["account_id"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("account_id", sa.String, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("role_limit", sa.String, nullable=False),
        sa.Column("scopes", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("revoked_at", sa.Float),
        sa.Column("issued_by", sa.String, nullable=False),
        sa.Column("seen_by_operator", sa.Boolean, nullable=False),
        sa.Column("hash_key", sa.String, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        *_mac(),
        sa.Column("last_used_at", sa.Float),
        sa.Column("last_used_from", sa.String, nullable=False),
    )


def _account() -> sa.Column:
    return sa.Column("account_id", sa.String, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False)


def _mac() -> tuple[sa.Column, sa.Column]:
    return sa.Column("mac_key", sa.String, nullable=False), sa.Column("mac", sa.LargeBinary, nullable=False)
