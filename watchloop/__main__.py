"""``python -m watchloop``."""

from watchloop.cli import main

main()
