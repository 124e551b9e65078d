"""What people see: pages, an HTTP API, sessions."""
