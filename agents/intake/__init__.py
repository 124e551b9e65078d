"""INTAKE: predictions in; verdicts, tasks, blocks and Rejects out."""
