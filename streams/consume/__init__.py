"""Reading topics: in batches, in transactions, or as a whole from their beginning."""
