"""The processes of one ``up``: servers and workers, their data folder, their start and their stop."""
