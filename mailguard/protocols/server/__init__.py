"""What we say to clients before login."""
