"""The members of the stack, and what they see of an event."""
