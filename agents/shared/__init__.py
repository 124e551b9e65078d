"""Parts that several roles share: the plan of a worker, metrics, places for models, values of the log."""
