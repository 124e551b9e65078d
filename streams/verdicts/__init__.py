"""Verdicts out of messages, which are JSON or Arrow: the first bytes tell."""
