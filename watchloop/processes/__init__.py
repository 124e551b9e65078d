"""The processes of one ``up``: servers, workers, their data folder, and how they are stopped."""
