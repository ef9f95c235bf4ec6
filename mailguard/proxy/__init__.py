"""One client, from accept to close."""
