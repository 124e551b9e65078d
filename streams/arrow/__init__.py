"""Arrow IPC streams as messages: told from JSON, measured before they are unpacked, opened, and cut to some rows."""
