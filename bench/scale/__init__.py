"""How the guard stands much of everything: `make scale`. Each run prints its figures beside what is asked of them."""
