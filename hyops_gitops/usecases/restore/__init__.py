"""Rebuilding a primary from the recorded zone."""
