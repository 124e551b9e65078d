"""The routes that answer with HTML."""
