"""`mailguard explain`: why logins at one address failed, in plain words. Values first (`troubles`), words second."""
