"""The repository itself: what is in the tree and what a build makes of it."""
