"""The JSON API under /api/v1: what administrators' pages and commands do, for programs that bring an API key."""
