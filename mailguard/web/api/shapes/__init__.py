"""What goes in and comes out, one module a noun. Names are those of the command line's `--json`."""
