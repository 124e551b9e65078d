"""The servers of ``watchloop up``, as child processes. Of the rooms only ``watchloop`` imports this one."""
