"""What must be right before a row is replayed, and what is told."""
