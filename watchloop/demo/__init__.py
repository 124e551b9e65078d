"""``watchloop up --demo``: a real stream through the whole loop, with simulated reviewers."""
