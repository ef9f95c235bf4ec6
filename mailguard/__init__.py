"""mailguard: a second factor in front of somebody else's mail store."""
