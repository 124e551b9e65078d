"""``watchloop backtest``: the whole loop over a recorded table, with the true label as the reviewer and no broker."""
