"""Bytes: listeners, TLS, streams and the relay. Knows no mail."""
