"""The decision: who may pass, from facts alone. No socket, no SQL, no clock, no logging."""
