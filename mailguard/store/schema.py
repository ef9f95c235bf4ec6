"""The tables, as the code of this version expects them. They are made and changed by migrations/ alone.

Times are UTC seconds since 1970. Account names in `audit` and `sessions` are text, not keys: the record outlives
the account.
"""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, text

HEAD = "0004"  # the newest revision in migrations/versions

metadata = MetaData()

_NONE = text("''")

accounts = Table(
    "accounts",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("policy_group", String, nullable=False),
    Column("role", String, nullable=False),  # "" of who is no administrator
    Column("role_limit", String, nullable=False),
    Column("suspended_by", String, nullable=False),  # "" while it is open
    Column("factor_required", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

members = Table(
    "members",  # the named people of a shared mailbox
    metadata,
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("added_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

addresses = Table(
    "addresses",  # where an account's owner is told, beside the protected mailbox
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", String, nullable=False),
    Column("added_at", Float, nullable=False),
    Column("active_at", Float, nullable=False),
    Column("added_by", String, nullable=False),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

passwords = Table(
    "passwords",  # users' own, where mailguard itself is the identity source
    metadata,
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", String, nullable=False),  # argon2id, PHC string format
    Column("set_at", Float, nullable=False),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

rechecks = Table(
    "rechecks",  # what the identity source last said about an account
    metadata,
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("mark", String, nullable=False),  # of the last change of its password; "" where the source cannot tell
    Column("checked_at", Float, nullable=False),
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
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

one_time_codes = Table(
    "one_time_codes",  # recovery, enrolment, bypass: accepted once, where a person signs in
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("salt", LargeBinary, nullable=False),  # one a set
    Column("hash", LargeBinary, nullable=False),  # argon2id, raw
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("used_at", Float),
    Column("ended_at", Float),  # replaced by a newer set, or revoked
    Column("may_enrol", Boolean, nullable=False),
    Column("issued_by", String, nullable=False),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    # Not under the MAC: when their owner said that they were written down. Nothing hangs on it but a reminder.
    Column("kept_at", Float),
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
    Column("first_use_by", Float),
    Column("revoked_at", Float),
    Column("issued_by", String, nullable=False),
    Column("seen_by_operator", Boolean, nullable=False),
    Column("person_id", String, nullable=False),  # whose it is, of a shared mailbox; else ""
    Column("public", LargeBinary),  # X25519: what the store password is sealed to
    Column("client_lock", Boolean, nullable=False),
    Column("client_bound", String, nullable=False),  # the first IMAP ID name, under a client lock
    Column("hash_key", String, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    # Written at every use, so not under the MAC:
    Column("last_used_at", Float),
    Column("last_used_from", String, nullable=False, server_default=_NONE),
    Column("last_used_protocol", String, nullable=False, server_default=_NONE),
    Column("last_client", String, nullable=False, server_default=_NONE),
    Index("ix_app_passwords_expires_at", "expires_at", sqlite_where=text("expires_at IS NOT NULL")),
)

vault = Table(
    "vault",  # store passwords, each sealed to one app password
    metadata,
    Column("app_password_id", ForeignKey("app_passwords.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("sealed_at", Float, nullable=False),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    # Not under the MAC: when the store last refused it. Renewed at the next sign-in.
    Column("refused_at", Float),
)

claims = Table(
    "claims",  # links that make an app password for who opens them, once, after signing in
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("label", String, nullable=False),
    Column("protocols", String, nullable=False),
    Column("networks", String, nullable=False),
    Column("life", Float),  # of the app password, from its making
    Column("idle", Float),
    Column("person_id", String, nullable=False),
    Column("client_lock", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("used_at", Float),
    Column("issued_by", String, nullable=False),
    Column("hash_key", String, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

grants = Table(
    "grants",
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("device_id", String, nullable=False),
    Column("network", String, nullable=False),
    Column("second", String, nullable=False),  # its network of the other IP family; "" while none has joined
    Column("string_key", String, nullable=False),
    Column("string", LargeBinary),  # erased at the grant's end
    Column("opened_at", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("idle", Float),  # seconds without an open session after which it ends
    Column("single", Boolean, nullable=False),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    # Not under the MAC:
    Column("idle_since", Float, nullable=False),  # the last login by it, or the end of its last session
    Column("ended_at", Float),
)

known_networks = Table(
    "known_networks",  # where an account was granted lately; a keyed hash of both
    metadata,
    Column("network", LargeBinary, primary_key=True),
    Column("owner", LargeBinary, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("private", String, nullable=False),  # the address where it is a private one: many may share it
    Index("ix_known_networks_private", "private", "seen_at"),
    sqlite_with_rowid=False,
)

questions = Table(
    "questions",  # what the identity source was asked, and no login came of it
    metadata,
    Column("id", String, primary_key=True),
    Column("owner", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
    Column("pending", Boolean, nullable=False),  # the answer is not in yet
    Column("known", Boolean, nullable=False),  # the name is an account's
    Index("ix_questions_owner", "owner", "at"),
    Index("ix_questions_at", "known", "at"),
)

throttle_marks = Table(
    "throttle_marks",  # which wrong secrets were tried at each name
    metadata,
    Column("owner", LargeBinary, primary_key=True),
    Column("mark", LargeBinary, primary_key=True),
    Column("known", Boolean, nullable=False),  # the name is an account's
    Column("pending", Boolean, nullable=False),
    Column("spent", Boolean, nullable=False),  # nobody is asked about it again
    Column("asked_at", Float, nullable=False),  # 0: due to be asked again
    Column("seen_at", Float, nullable=False),
    Index("ix_throttle_marks_seen", "known", "seen_at"),
    sqlite_with_rowid=False,
)

throttle_buckets = Table(
    "throttle_buckets",  # how many wrong secrets there were of each thing that is counted
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("owner", LargeBinary, nullable=False, index=True),  # the name; empty for networks
    Column("counts", String, nullable=False),
    Column("known", Boolean, nullable=False),  # the name is an account's, or the row is worth as much
    Column("level", Float, nullable=False),
    Column("in_a_row", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Index("ix_throttle_buckets_at", "known", "at"),
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
    Column("grant_id", String, nullable=False, index=True),
    Column("person", String, nullable=False),  # the named person behind a session of a shared mailbox
    Column("client", String, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),  # when anything last moved, to a few seconds
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("event", String, nullable=False),
    Column("account", String, nullable=False),
    Column("person", String, nullable=False, server_default=_NONE),  # who acted for a shared mailbox
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
    Column("repeats", Integer, nullable=False),  # further events like this one that this row stands for
    Column("last_at", Float, nullable=False),  # of the last of them
    # Written once, by the sealer, soon after the row: its place in the chain and the link to the row before.
    Column("position", Integer),
    Column("mac", LargeBinary),
    Index("ix_audit_account", "account", "at"),
    Index("ix_audit_person", "person", "at", sqlite_where=text("person != ''")),
    sqlite_autoincrement=True,
)

audit_repeats = Table(
    "audit_repeats",  # events that share a row; the row itself is written when their time is over
    metadata,
    Column("alike", String, primary_key=True),  # what they have in common
    Column("until", Float, primary_key=True),
    Column("at", Float, nullable=False),
    Column("event", String, nullable=False),
    Column("account", String, nullable=False),
    Column("person", String, nullable=False),
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
    Column("repeats", Integer, nullable=False),  # -1: nothing to write yet, the first one has its own row
    Column("last_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

audit_key = Table(
    "audit_key",  # what the record is chained with: one row, sealed under the key file
    metadata,
    Column("id", Integer, primary_key=True),
    Column("seal_key", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

audit_state = Table(
    "audit_state",  # both ends of the chain: one row
    metadata,
    Column("id", Integer, primary_key=True),
    Column("position", Integer, nullable=False),  # of the newest sealed row
    Column("seq", Integer, nullable=False),
    Column("head", LargeBinary, nullable=False),  # its MAC
    Column("sealed_at", Float, nullable=False),
    Column("anchor", Integer, nullable=False),  # the position up to which rows were purged: so many are gone
    Column("anchor_mac", LargeBinary, nullable=False),
    Column("anchor_at", Float),  # when that was
    Column("mac", LargeBinary, nullable=False),
    # Not under the MAC: who seals.
    Column("holder", String, nullable=False),
    Column("claimed_at", Float, nullable=False),
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

notices = Table(
    "notices",  # letters that are due; kept after they were sent, so that none is sent twice
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False, index=True),  # canonical name: a letter outlives its account
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),  # what is not told of again for a while, or ever
    Column("at", Float, nullable=False),
    Column("facts", String, nullable=False),  # JSON: what the letter says
    Column("recipients", String, nullable=False),  # as they stood at the occasion, between spaces
    Column("letter", String, nullable=False),  # that it goes out in: the id of that one's first notice; "" untried
    Column("tries", Integer, nullable=False),
    Column("next_at", Float),  # when it is tried next; none: it was sent, or given up
    Column("sent_at", Float),
    Column("error", String, nullable=False),
    Index("ix_notices_next", "next_at"),
)

key_checks = Table(
    "key_checks",  # recognises the right key file: a keyed hash under each generation that was ever used here
    metadata,
    Column("key_id", String, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
)
