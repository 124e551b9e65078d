"""Reading files of recorded tables into raw columns."""
