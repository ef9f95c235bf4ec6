"""The changes of the schema, in order; run by mailguard itself (store.migrate), never by an alembic.ini."""
