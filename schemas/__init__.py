"""What travels: one Struct a file, and topics.py in the order in which data flows."""
