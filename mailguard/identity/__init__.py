"""Who checks the user's own password, where that is not the mail store: ourselves or a directory."""
