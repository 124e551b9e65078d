"""One worker process: the roles that it runs, and its logs."""
