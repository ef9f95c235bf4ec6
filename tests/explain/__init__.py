"""Why logins failed, in plain words."""
