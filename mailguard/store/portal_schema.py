"""The tables of what people sign in to the portal and its API with. As in store.schema, of which they are a part."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Integer, LargeBinary, String, Table

from mailguard.store.schema import metadata

passkeys = Table(
    "passkeys",  # WebAuthn credentials: a second factor where a person signs in
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("credential", LargeBinary, nullable=False, unique=True),  # the authenticator's own id of it
    Column("public_key", LargeBinary, nullable=False),  # COSE
    Column("created_at", Float, nullable=False),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    # Written at every use, so not under the MAC:
    Column("sign_count", Integer, nullable=False),
    Column("last_used_at", Float),
)

used_challenges = Table(
    "used_challenges",  # that a passkey has answered: none of them takes a second answer
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("at", Float, nullable=False),
)

portal_sessions = Table(
    "portal_sessions",  # who is signed in
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False, unique=True),  # of the token in the cookie
    Column("standing", String, nullable=False),
    Column("factor", String, nullable=False),
    Column("device", String, nullable=False),  # id of the authenticator or passkey; else ""
    Column("revision", Integer, nullable=False),  # the revocation sequence that its sign-in was judged at
    Column("signed_at", Float, nullable=False),
    Column("until", Float),  # the end of a bypass
    Column("ends_at", Float, nullable=False),
    Column("address", String, nullable=False),
    Column("agent", String, nullable=False),  # what the browser calls itself
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    # Not under the MAC: the last request, to a minute.
    Column("seen_at", Float, nullable=False),
)

handouts = Table(
    "handouts",  # links that hand a new app password to the device that opens them, once, within minutes
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False, unique=True),  # of the token in the link
    Column("label", String, nullable=False),
    Column("life", Float),  # of the app password, from its making
    Column("session_id", String, nullable=False),  # the portal session that made it: it ends with that
    Column("sealed", LargeBinary),  # the store password, under a key that only the token gives
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("used_at", Float),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

api_keys = Table(
    "api_keys",  # what programs of administrators come to the API with
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", String, nullable=False),  # of the administrator who made it; "" where an operator did
    Column("label", String, nullable=False),
    Column("role", String, nullable=False),
    Column("role_limit", String, nullable=False),
    Column("scopes", String, nullable=False),  # names, sorted, between spaces
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("revoked_at", Float),
    Column("issued_by", String, nullable=False),
    Column("seen_by_operator", Boolean, nullable=False),
    Column("hash_key", String, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("mac_key", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    # Written at every use, so not under the MAC:
    Column("last_used_at", Float),
    Column("last_used_from", String, nullable=False),
)
