"""Files of recorded tables as raw columns."""
