"""The way to the mail store."""
