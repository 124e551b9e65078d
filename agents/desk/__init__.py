"""DESK: tasks and opinions, the queue, and the console."""
