"""Pages of a log, and what is in them."""
