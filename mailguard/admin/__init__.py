"""What administrators do to other people's accounts.

Each act takes whoever acts and refuses by their role: the gate lies below pages, API and command line alike.
"""
