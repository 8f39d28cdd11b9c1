"""Bringing a zone back to what the log recorded."""
