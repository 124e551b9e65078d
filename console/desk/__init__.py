"""What the console asks of a desk, and what the desk answers."""
