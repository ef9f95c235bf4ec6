"""What the guard costs, side by side with nginx and Dovecot: `make bench`. Figures, never verdicts of a test run."""
