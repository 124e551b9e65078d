"""What several roles need: plan, metrics, places of models, values of the log."""
