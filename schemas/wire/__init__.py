"""What travels on topics: one Struct a file."""
