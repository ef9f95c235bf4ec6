"""Our records."""
