"""Output for people: lines, tables and progress bars on a terminal."""
