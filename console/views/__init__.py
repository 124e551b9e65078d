"""What pages show, in words and figures; pure."""
