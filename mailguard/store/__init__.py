"""Our records: accounts, credentials, grants, the throttle, sessions, the audit. Implements auth.ports."""

from mailguard.store.errors import Absent, ChangeRefused, FreshNeeded, MadeAlready, SchemaError
from mailguard.store.ids import new_id
from mailguard.store.store import Store, upgrade

__all__ = ["Absent", "ChangeRefused", "FreshNeeded", "MadeAlready", "SchemaError", "Store", "new_id", "upgrade"]
