"""Blocks as messages: many of them in an Arrow stream, or one as JSON."""
