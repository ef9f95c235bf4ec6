"""What we say to stores before login."""
