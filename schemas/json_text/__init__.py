"""JSON that does not decode as a whole: its parts told apart, and what would be right."""
