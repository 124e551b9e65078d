"""A batch measured: blocks of statistics, and the arithmetic that makes them."""
