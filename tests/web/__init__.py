"""What people do to their own credentials."""
