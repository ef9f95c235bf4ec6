"""The routes, one module a noun. Each says what its key needs; the gate below decides, whatever stands here."""
