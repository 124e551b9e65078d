"""Predictions out of JSON: shapes learned for columns, single elements where something is odd."""
