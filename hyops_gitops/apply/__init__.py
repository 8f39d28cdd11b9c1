"""The eleven steps of an apply."""
