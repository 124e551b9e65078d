"""The roles of a worker: each reads topics, calls pure code and writes topics; ``shared`` is for all of them."""
