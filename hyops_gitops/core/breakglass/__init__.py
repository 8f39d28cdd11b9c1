"""Segments written while the log cannot be reached, and how they come back into it."""
