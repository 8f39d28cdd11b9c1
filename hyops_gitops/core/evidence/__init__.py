"""What the signed log is made of: entries, their envelope, the log itself, and the name of a segment."""
