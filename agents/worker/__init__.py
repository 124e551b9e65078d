"""One worker process: its roles assembled, its logs, its memory."""
