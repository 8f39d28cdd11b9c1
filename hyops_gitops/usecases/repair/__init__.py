"""Mending rows that contradict each other."""
