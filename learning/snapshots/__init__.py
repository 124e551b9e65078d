"""Models as signed bytes, and which of them is in charge."""
