"""Credentials that hold up: the vault, one-time codes, claims, kinds of account, second addresses, lasting grants.

Grants and sessions of the former form are dropped: those lasted a minute, these end with their workers. Rows under a
MAC get theirs anew in store.macs, which has the keys.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NONE = sa.text("''")
NO = sa.text("0")
NOTHING = sa.text("x''")


def upgrade() -> None:
    """Make the new tables, widen the old ones."""
    _widen("accounts", ("role", sa.String, NONE), ("role_limit", sa.String, NONE), ("suspended_by", sa.String, NONE))
    op.execute("UPDATE accounts SET suspended_by = 'operator' WHERE suspended")
    op.execute("UPDATE accounts SET role = 'owner' WHERE administrator")
    with op.batch_alter_table("accounts") as batch:
        batch.drop_column("suspended")
        batch.drop_column("administrator")
    _widen("totp_devices", ("mac_key", sa.String, NONE), ("mac", sa.LargeBinary, NOTHING))
    _widen(
        "app_passwords",
        ("person_id", sa.String, NONE),
        ("client_lock", sa.Boolean, NO),
        ("client_bound", sa.String, NONE),
    )
    op.add_column("app_passwords", sa.Column("public", sa.LargeBinary))
    op.add_column("app_passwords", sa.Column("first_use_by", sa.Float))
    op.add_column("audit", sa.Column("person", sa.String, nullable=False, server_default=NONE))
    op.add_column("audit", sa.Column("position", sa.Integer))
    op.add_column("audit", sa.Column("mac", sa.LargeBinary))
    op.drop_table("grants")
    op.drop_table("sessions")
    _accounts()
    _credentials()
    _logins()
    _audit()


def _widen(table: str, *columns: tuple[str, type[sa.types.TypeEngine], sa.TextClause]) -> None:
    """Columns that must hold something: filled by a default that is then taken away."""
    with op.batch_alter_table(table) as batch:
        for name, kind, filled in columns:
            batch.add_column(sa.Column(name, kind, nullable=False, server_default=filled))
    with op.batch_alter_table(table) as batch:
        for name, _, _ in columns:
            batch.alter_column(name, server_default=None)


def _account(name: str = "account_id", **more: bool) -> sa.Column:
    return sa.Column(name, sa.String, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, **more)


def _mac() -> tuple[sa.Column, sa.Column]:
    return sa.Column("mac_key", sa.String, nullable=False), sa.Column("mac", sa.LargeBinary, nullable=False)


def _accounts() -> None:
    op.create_table(
        "members",
        _account(primary_key=True),
        _account("person_id", primary_key=True),
        sa.Column("added_at", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_members_person_id", "members", ["person_id"])
    op.create_table(
        "addresses",
        sa.Column("id", sa.String, primary_key=True),
        _account(),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("added_at", sa.Float, nullable=False),
        sa.Column("active_at", sa.Float, nullable=False),
        sa.Column("added_by", sa.String, nullable=False),
        *_mac(),
    )
    op.create_index("ix_addresses_account_id", "addresses", ["account_id"])
    op.create_table(
        "passwords",
        _account(primary_key=True),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("set_at", sa.Float, nullable=False),
        *_mac(),
    )
    op.create_table(
        "rechecks",
        _account(primary_key=True),
        sa.Column("mark", sa.String, nullable=False),
        sa.Column("checked_at", sa.Float, nullable=False),
    )


def _credentials() -> None:
    op.create_table(
        "one_time_codes",
        sa.Column("id", sa.String, primary_key=True),
        _account(),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("used_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("may_enrol", sa.Boolean, nullable=False),
        sa.Column("issued_by", sa.String, nullable=False),
        *_mac(),
        sa.Column("kept_at", sa.Float),
    )
    op.create_index("ix_one_time_codes_account_id", "one_time_codes", ["account_id"])
    op.create_table(
        "vault",
        sa.Column(
            "app_password_id", sa.String, sa.ForeignKey("app_passwords.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("sealed_at", sa.Float, nullable=False),
        *_mac(),
        sa.Column("refused_at", sa.Float),
    )
    op.create_table(
        "claims",
        sa.Column("id", sa.String, primary_key=True),
        _account(),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("protocols", sa.String, nullable=False),
        sa.Column("networks", sa.String, nullable=False),
        sa.Column("life", sa.Float),
        sa.Column("idle", sa.Float),
        sa.Column("person_id", sa.String, nullable=False),
        sa.Column("client_lock", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("used_at", sa.Float),
        sa.Column("issued_by", sa.String, nullable=False),
        sa.Column("hash_key", sa.String, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        *_mac(),
    )
    op.create_index("ix_claims_account_id", "claims", ["account_id"])
    op.create_table(
        "grants",
        sa.Column("id", sa.String, primary_key=True),
        _account(),
        sa.Column("device_id", sa.String, nullable=False),
        sa.Column("network", sa.String, nullable=False),
        sa.Column("second", sa.String, nullable=False),
        sa.Column("string_key", sa.String, nullable=False),
        sa.Column("string", sa.LargeBinary),
        sa.Column("opened_at", sa.Float, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("idle", sa.Float),
        sa.Column("single", sa.Boolean, nullable=False),
        *_mac(),
        sa.Column("idle_since", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
    )
    op.create_index("ix_grants_account_id", "grants", ["account_id"])


def _logins() -> None:
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
        sa.Column("person", sa.String, nullable=False),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
    )
    op.create_index("ix_sessions_account", "sessions", ["account"])
    op.create_index("ix_sessions_grant_id", "sessions", ["grant_id"])
    op.create_table(
        "known_networks",
        sa.Column("network", sa.LargeBinary, primary_key=True),
        sa.Column("owner", sa.LargeBinary, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
        sa.Column("private", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_known_networks_private", "known_networks", ["private", "seen_at"])
    op.create_table(
        "questions",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("pending", sa.Boolean, nullable=False),
        sa.Column("known", sa.Boolean, nullable=False),
    )
    op.create_index("ix_questions_owner", "questions", ["owner", "at"])
    op.create_index("ix_questions_at", "questions", ["known", "at"])
    op.drop_table("throttle_marks")  # what it counted is counted otherwise now: it begins anew
    op.create_table(
        "throttle_marks",
        sa.Column("owner", sa.LargeBinary, primary_key=True),
        sa.Column("mark", sa.LargeBinary, primary_key=True),
        sa.Column("known", sa.Boolean, nullable=False),
        sa.Column("pending", sa.Boolean, nullable=False),
        sa.Column("spent", sa.Boolean, nullable=False),
        sa.Column("asked_at", sa.Float, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_throttle_marks_seen", "throttle_marks", ["known", "seen_at"])
    op.create_table(
        "throttle_buckets",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("owner", sa.LargeBinary, nullable=False),
        sa.Column("counts", sa.String, nullable=False),
        sa.Column("known", sa.Boolean, nullable=False),
        sa.Column("level", sa.Float, nullable=False),
        sa.Column("in_a_row", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_throttle_buckets_owner", "throttle_buckets", ["owner"])
    op.create_index("ix_throttle_buckets_at", "throttle_buckets", ["known", "at"])
    op.create_table(
        "notices",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("facts", sa.String, nullable=False),
        sa.Column("recipients", sa.String, nullable=False),
        sa.Column("letter", sa.String, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_at", sa.Float),
        sa.Column("sent_at", sa.Float),
        sa.Column("error", sa.String, nullable=False),
    )
    op.create_index("ix_notices_account", "notices", ["account"])
    op.create_index("ix_notices_next", "notices", ["next_at"])
    op.create_table(
        "key_checks",
        sa.Column("key_id", sa.String, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
    )


def _audit() -> None:
    op.create_table(
        "audit_repeats",
        sa.Column("alike", sa.String, primary_key=True),
        sa.Column("until", sa.Float, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("person", sa.String, nullable=False),
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
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit_key",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("seal_key", sa.String, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        *_mac(),
    )
    op.create_table(
        "audit_state",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("sealed_at", sa.Float, nullable=False),
        sa.Column("anchor", sa.Integer, nullable=False),
        sa.Column("anchor_mac", sa.LargeBinary, nullable=False),
        sa.Column("anchor_at", sa.Float),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("claimed_at", sa.Float, nullable=False),
    )
