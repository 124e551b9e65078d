"""Members of the stack: River recipes and what they see of an event."""
