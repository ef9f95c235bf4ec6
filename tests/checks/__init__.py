"""What `mailguard check` finds."""
