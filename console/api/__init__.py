"""The HTTP API: what people do on the pages, for programs."""
