"""Who is asking: passwords, sessions, and guards against guessing."""
