"""What a person may do to their own credentials, once signed in. Pages and commands call it alike."""
