"""The servers of ``watchloop up``, as child processes; nothing but ``watchloop`` knows of them."""
