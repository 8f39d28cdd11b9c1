"""Validating a tree, and writing contracts so that they stay valid."""
