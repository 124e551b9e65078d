"""``python -m watchloop``."""

from watchloop.cli.main import main

main()
