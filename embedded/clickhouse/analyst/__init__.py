"""Checks which statements the user ``analyst`` may run: lists of names, and a statement's tree compared with them."""
