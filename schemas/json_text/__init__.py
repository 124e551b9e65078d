"""JSON that does not decode as a whole: its parts, and the reasons."""
