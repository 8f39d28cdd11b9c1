"""Status, drift and doctor: what servers show, held against the log."""
