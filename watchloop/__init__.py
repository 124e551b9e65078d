"""The program: its command line, the processes of ``watchloop up``, the demo, backtests, and recorded tables."""
