"""Reading and writing the signed log."""
