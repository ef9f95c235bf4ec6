"""Where people sign in: pages, the JSON API, and how mail programs find the guard. A process of its own."""
