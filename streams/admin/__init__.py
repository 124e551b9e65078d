"""Topics, the rights of users, and the lag of consumer groups."""
