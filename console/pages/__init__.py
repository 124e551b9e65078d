"""Pages, and what they show in words."""
