"""Real daemons, real clients, the real command line."""
