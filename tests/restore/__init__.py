"""Restoring a primary that lost its zone."""
