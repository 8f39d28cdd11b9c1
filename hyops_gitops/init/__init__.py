"""A new repository for a zone."""
