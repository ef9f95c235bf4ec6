"""An index for what looks twice a second for app passwords that have run out."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Most have no end, so that it stays small."""
    op.create_index(
        "ix_app_passwords_expires_at", "app_passwords", ["expires_at"], sqlite_where=sa.text("expires_at IS NOT NULL")
    )
