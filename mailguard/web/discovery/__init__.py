"""How mail programs find the guard: their settings in each program's own format. Nobody signs in for these."""
