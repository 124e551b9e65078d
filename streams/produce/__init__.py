"""Writing topics: the outbox of a role, its transaction, and Rejects."""
