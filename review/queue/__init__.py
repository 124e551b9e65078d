"""Who gets which task next, and what becomes of the answers to it."""
