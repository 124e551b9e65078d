"""Texts from outside: labels, names, look-alikes, and what is safe to show."""
