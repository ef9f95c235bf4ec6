"""`python -m mailguard`: the same as the `mailguard` program."""

from mailguard.cli.main import main

main()
