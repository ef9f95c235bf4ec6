"""What the records may answer instead of doing as asked. A database in trouble: auth.ports.StoreUnavailable."""


class SchemaError(Exception):
    """The database was written by another version of mailguard. The text says what to run."""


class ChangeRefused(Exception):
    """An administrative change that cannot be done as asked: one line for whoever asked, saying what to do."""


class Absent(ChangeRefused):
    """What was named is not there."""


class KeyEnded(ChangeRefused):
    """The API key that somebody acts by was revoked meanwhile, or its maker is an administrator no more."""


class FreshNeeded(ChangeRefused):
    """It takes a sign-in of the last minutes, with a factor: a browser that was left open must not do this."""


class MadeAlready(ChangeRefused):
    """The same form came twice: what it makes is there, and its secret was shown."""


class RecordAltered(Exception):
    """What vouches for the audit was changed behind our back: rows cannot be sealed. The text says what it is."""
