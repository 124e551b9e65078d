"""Windows of merged blocks in event time, the reference, and how far windows are from it."""
